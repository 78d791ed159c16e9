using System.Runtime.InteropServices;

namespace Colo.Vmm.Memory;

/// <summary>
/// Page-aligned zero pages from the host kernel, committed on first touch (mmap(2), anonymous, no reserve), so that a
/// guest costs what it uses and not what it was promised.
/// </summary>
internal static unsafe partial class HostPages
{
    private const int ProtectReadWrite = 1 | 2;
    private const int MapPrivateAnonymousNoReserve = 0x02 | 0x20 | 0x4000;

    public static byte* Allocate(nuint sizeBytes)
    {
        nint address = Map(0, sizeBytes, ProtectReadWrite, MapPrivateAnonymousNoReserve, -1, 0);
        if (address == -1)
        {
            throw new OutOfMemoryException(
                $"mmap of {sizeBytes} bytes for guest RAM failed with error {Marshal.GetLastPInvokeError()}.");
        }

        return (byte*)address;
    }

    public static void Free(byte* address, nuint sizeBytes) => _ = Unmap((nint)address, sizeBytes);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(nint address, nuint length);
}
