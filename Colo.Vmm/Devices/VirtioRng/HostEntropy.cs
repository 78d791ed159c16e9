using System.Security.Cryptography;

namespace Colo.Vmm.Devices.VirtioRng;

/// <summary>Random bytes of the host's kernel.</summary>
internal sealed class HostEntropy : IEntropySource
{
    public ulong Position
    {
        get => 0;
        set => _ = value;
    }

    public void Fill(Span<byte> destination) => RandomNumberGenerator.Fill(destination);
}
