namespace Colo.Vmm.Net;

/// <summary>Who answers for a buffer that is out of its pool; leak reports are by owner.</summary>
public enum FrameOwner
{
    Reader = 0,
    Comparer,
    Buffer,
    Output,
}

/// <summary>
/// A frame in a buffer of a <see cref="FramePool"/>, counted by references: 1 when rented; the last
/// <see cref="Release"/> gives the buffer back. The links and the parsed numbers are the comparer's, in here so
/// that queueing a frame allocates nothing.
/// </summary>
public sealed class PooledFrame
{
    private readonly FramePool pool;
    private readonly byte[] buffer;
    private int references;

    internal PooledFrame(FramePool pool, byte[] buffer, int sizeClass)
    {
        this.pool = pool;
        this.buffer = buffer;
        SizeClass = sizeClass;
    }

    /// <summary>Bytes in use, vnet header included.</summary>
    public int Length { get; private set; }

    /// <summary>Length of a virtio-net header before the Ethernet frame; 0 when there is none.</summary>
    public int VnetHeaderLength { get; set; }

    public FrameOwner Owner { get; private set; }

    public FrameEpoch Epoch { get; set; }

    /// <summary>Everything, vnet header included.</summary>
    public Span<byte> Bytes => buffer.AsSpan(0, Length);

    /// <summary>The Ethernet frame.</summary>
    public Span<byte> Frame => buffer.AsSpan(VnetHeaderLength, Length - VnetHeaderLength);

    /// <summary>Size of the buffer behind it, which is what a memory bound has to count.</summary>
    public int CapacityBytes => buffer.Length;

    internal int SizeClass { get; }

    internal PooledFrame? Next { get; set; }

    internal PooledFrame? Previous { get; set; }

    /// <summary>The fragments, in order of arrival, that this reassembled frame stands for.</summary>
    internal PooledFrame? Fragments { get; set; }

    internal TimeSpan Arrival { get; set; }

    internal FrameKind Kind { get; set; }

    internal TcpFlags Flags { get; set; }

    internal SequenceNumber Sequence { get; set; }

    internal SequenceNumber Acknowledgement { get; set; }

    /// <summary>Payload of a TCP segment; for other flows what is compared. Relative to <see cref="Frame"/>.</summary>
    internal int PayloadOffset { get; set; }

    internal int PayloadLength { get; set; }

    /// <summary>Payload bytes already found equal, so that a long segment is not compared twice.</summary>
    internal int VerifiedLength { get; set; }

    /// <summary>Which connection on its 5-tuple this segment belongs to.</summary>
    internal int Incarnation { get; set; }

    internal ReadOnlySpan<byte> Payload => buffer.AsSpan(VnetHeaderLength + PayloadOffset, PayloadLength);

    public void AddReference() => Interlocked.Increment(ref references);

    /// <summary>Gives up one reference.</summary>
    public void Release()
    {
        var left = Interlocked.Decrement(ref references);
        if (left == 0)
        {
            pool.Return(this);
        }
        else if (left < 0)
        {
            throw new InvalidOperationException($"frame of {Length} bytes released more often than it was referenced");
        }
    }

    /// <summary>Says who holds it now, for the leak report.</summary>
    public void TransferTo(FrameOwner owner)
    {
        pool.Moved(Owner, owner);
        Owner = owner;
    }

    internal void Begin(int length, FrameOwner owner)
    {
        references = 1;
        Length = length;
        Owner = owner;
        VnetHeaderLength = 0;
        Epoch = default;
        Fragments = null;
        VerifiedLength = 0;
        Incarnation = 0;
        PayloadLength = 0;
        Flags = TcpFlags.None;
    }

    /// <summary>Notes what the matchers look at.</summary>
    internal void Describe(in FrameView view, FlowClass flow)
    {
        Kind = view.Kind;
        switch (flow)
        {
            case FlowClass.Tcp:
                Flags = view.TcpFlags;
                Sequence = view.Sequence;
                Acknowledgement = view.Acknowledgement;
                PayloadOffset = view.PayloadOffset;
                PayloadLength = view.PayloadLength;
                break;
            case FlowClass.Opaque:
                PayloadOffset = 0;
                PayloadLength = Frame.Length;
                break;
            default:
                PayloadOffset = view.Kind == FrameKind.Arp ? view.NetworkOffset : view.TransportOffset;
                PayloadLength = view.End - PayloadOffset;
                break;
        }
    }
}
