using Microsoft.Win32.SafeHandles;

namespace Colo.Vmm.Devices.VirtioRng;

/// <summary>
/// Random bytes of the host's kernel, read from it directly: the framework's generator would load OpenSSL, 6 MiB for
/// a machine that needs nothing else of it.
/// </summary>
internal sealed class HostEntropy : IEntropySource
{
    private static readonly SafeFileHandle Source = File.OpenHandle("/dev/urandom");

    public ulong Position
    {
        get => 0;
        set => _ = value;
    }

    public static void FillFromHost(Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            int got = RandomAccess.Read(Source, destination, fileOffset: 0);
            destination = destination[got..];
        }
    }

    public void Fill(Span<byte> destination) => FillFromHost(destination);
}
