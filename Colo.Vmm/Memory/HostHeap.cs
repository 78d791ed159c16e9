using System.Runtime.InteropServices;

namespace Colo.Vmm.Memory;

/// <summary>
/// How the C library keeps memory that it has been given back. The runtime's compiler takes and frees some hundred KiB
/// for each method; by default glibc raises its thresholds with that, and every thread keeps what it once needed.
/// </summary>
public static partial class HostHeap
{
    private const int TrimThreshold = -1;
    private const int MapThreshold = -3;
    private const int ArenaMax = -8;
    private const int KeptBytes = 128 << 10;

    /// <summary>Few arenas, large pieces mapped, ends given back (mallopt(3)). Nothing happens where the C library
    /// knows no such settings.</summary>
    public static void KeepLittle()
    {
        try
        {
            _ = Set(ArenaMax, 2);
            _ = Set(MapThreshold, KeptBytes);
            _ = Set(TrimThreshold, KeptBytes);
        }
        catch (EntryPointNotFoundException)
        {
            // musl has no mallopt, and keeps little by itself.
        }
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int Set(int parameter, int value);
}
