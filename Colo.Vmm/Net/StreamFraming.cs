namespace Colo.Vmm.Net;

/// <summary>
/// Constants of the packet stream that QEMU's filter-mirror, filter-redirector, colo-compare and socket network
/// back end speak: a 32-bit big-endian payload length, an optional 32-bit big-endian vnet header length, then the
/// payload, whose first bytes are the vnet header when there is one. The length counts the vnet header and neither
/// length word.
/// </summary>
public static class StreamFraming
{
    /// <summary>The largest payload QEMU takes: 64 KiB and 4 KiB of headers.</summary>
    public const int MaxPayloadBytes = 69632;

    /// <summary>The largest virtio-net header in use.</summary>
    public const int MaxVnetHeaderBytes = 20;

    /// <summary>Length words before a payload.</summary>
    public static int PrefixBytes(bool hasVnetHeader) => hasVnetHeader ? 8 : 4;
}
