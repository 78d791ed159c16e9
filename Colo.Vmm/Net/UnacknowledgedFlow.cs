namespace Colo.Vmm.Net;

/// <summary>What a replica remembers of one TCP connection of its guest; see <see cref="UnacknowledgedOutput"/>.
/// Numbers are the client's.</summary>
internal sealed class UnacknowledgedFlow
{
    /// <summary>Ethernet with two tags, the longest IPv4 header or a plain IPv6 one, the longest TCP header.</summary>
    private const int HeaderBytesMax = 22 + 60 + 60;

    private readonly byte[] header = new byte[HeaderBytesMax];
    private int headerLength;

    public ConnectionKey Key { get; private set; }

    /// <summary>Segments with payload, in the order of the stream.</summary>
    public FrameQueue Frames { get; } = new();

    public SequenceNumber? ClientAck { get; set; }

    /// <summary>The timestamp that the client has echoed last; 0 when it sends none.</summary>
    public uint Echo { get; set; }

    public TimeSpan LastSeen { get; set; }

    public bool HasGuestFin { get; set; }

    public bool HasClientFin { get; set; }

    public UnacknowledgedFlow? Older { get; set; }

    public UnacknowledgedFlow? Newer { get; set; }

    /// <summary>All headers of the segment that the guest sent last, or nothing.</summary>
    public ReadOnlySpan<byte> Header => header.AsSpan(0, headerLength);

    public void Begin(in ConnectionKey key)
    {
        Key = key;
        headerLength = 0;
        ClientAck = null;
        Echo = 0;
        HasGuestFin = false;
        HasClientFin = false;
    }

    public void NoteHeader(ReadOnlySpan<byte> bytes)
    {
        headerLength = bytes.Length <= HeaderBytesMax ? bytes.Length : 0;
        bytes[..headerLength].CopyTo(header);
    }
}
