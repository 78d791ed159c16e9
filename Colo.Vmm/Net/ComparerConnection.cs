namespace Colo.Vmm.Net;

/// <summary>
/// One flow of the comparer: the primary's frames in the order it sent them, and the secondary's: for TCP sorted in
/// sequence space, for other flows in order. Objects are reused; <see cref="Reset"/> leaves nothing of the former
/// flow (defect H6 of QEMU).
/// </summary>
internal sealed class ComparerConnection
{
    private const int IslandsMax = 8;

    // No window is larger (RFC 7323 section 2.3): what is missing further behind was acknowledged long ago, under
    // another comparer, and numbers that are 2^31 apart have no order any more.
    private const int GapDistanceMax = 1 << 30;
    private readonly (SequenceNumber Start, SequenceNumber End)[] islands = new (SequenceNumber, SequenceNumber)[IslandsMax];
    private int islandCount;

    public ConnectionKey Key { get; private set; }

    public FrameQueue PrimaryQueue { get; } = new();

    public FrameQueue SecondaryQueue { get; } = new();

    // Links of the comparer's two lists: all connections by last use, and those that have frames.
    public ComparerConnection? OlderInUse { get; set; }

    public ComparerConnection? NewerInUse { get; set; }

    public ComparerConnection? PreviousBusy { get; set; }

    public ComparerConnection? NextBusy { get; set; }

    public bool IsBusy { get; set; }

    public bool IsPassThrough { get; set; }

    /// <summary>A difference was found: nothing is compared until a checkpoint has made the sides equal.</summary>
    public bool HasDiffered { get; set; }

    /// <summary>The last statement released on a neighbour flow; see <see cref="DatagramMatcher"/>.</summary>
    public byte[]? LastStatement { get; set; }

    public int LastStatementLength { get; set; }

    // Numbering of the primary's frames as they arrive.
    public IncarnationCounter PrimaryIncarnation { get; } = new();

    // The same for the secondary, whose counter follows the primary's at each checkpoint.
    public int SecondaryIncarnation { get; set; }

    public SequenceNumber? SecondarySyn { get; set; }

    public FrameEpoch SecondaryEpoch { get; set; }

    public SequenceNumber? SecondaryAck { get; set; }

    public SequenceNumber? SecondaryAckBefore { get; set; }

    // State of what has been released.
    public int ReleasedIncarnation { get; set; }

    public FrameEpoch ReleasedEpoch { get; set; }

    public SequenceNumber? ReleasedSyn { get; set; }

    /// <summary>Everything below has been released.</summary>
    public SequenceNumber? Watermark { get; private set; }

    public SequenceNumber? StreamStart { get; set; }

    public SequenceNumber? ReleasedAck { get; set; }

    /// <summary>Highest acknowledgement the primary sent before the capture of the committed epoch: the image has
    /// received that much.</summary>
    public SequenceNumber? ImageAck { get; set; }

    public (SequenceNumber Sequence, SequenceNumber Ack)? ReleasedReset { get; set; }

    public void Reset(in ConnectionKey key, FrameEpoch committed)
    {
        Key = key;
        HasDiffered = false;
        LastStatementLength = 0;
        PrimaryIncarnation.Reset();
        SecondaryIncarnation = 0;
        SecondarySyn = null;
        SecondaryEpoch = committed;
        SecondaryAck = null;
        SecondaryAckBefore = null;
        ReleasedEpoch = committed;
        BeginIncarnation(0);
    }

    /// <summary>Starts a new connection on the same addresses and ports: nothing of the former one holds for
    /// it.</summary>
    public void BeginIncarnation(int incarnation)
    {
        ReleasedIncarnation = incarnation;
        ReleasedSyn = null;
        Watermark = null;
        StreamStart = null;
        ReleasedAck = null;
        ImageAck = null;
        ReleasedReset = null;
        islandCount = 0;
    }

    public void BeginStream(SequenceNumber start)
    {
        Watermark = start;
        StreamStart ??= start;
    }

    /// <summary>
    /// Records that a range has been released. A range beyond a gap is remembered apart, because what is in the gap
    /// has not been compared yet: a guest may lose a segment before it reaches us and send it again later. A gap
    /// further behind than any window is given up.
    /// </summary>
    public void MarkReleased(SequenceNumber start, SequenceNumber end)
    {
        if (Watermark is not { } mark)
        {
            BeginStream(start);
            mark = start;
        }
        if (start > mark && end - mark <= GapDistanceMax)
        {
            AddIsland(start, end);
            return;
        }
        mark = SequenceNumber.Max(mark, end);
        for (var i = 0; i < islandCount; i++)
        {
            if (islands[i].Start <= mark)
            {
                mark = SequenceNumber.Max(mark, islands[i].End);
                islands[i] = islands[--islandCount];
                i = -1;
            }
        }
        Watermark = mark;
    }

    /// <summary>Up to where everything from <paramref name="position"/> on has been released, also beyond a gap;
    /// <paramref name="position"/> itself when its byte has not.</summary>
    public SequenceNumber ReleasedTo(SequenceNumber position)
    {
        if (Watermark is not { } mark)
        {
            return position;
        }
        var to = SequenceNumber.Max(position, mark);
        for (var i = 0; i < islandCount; i++)
        {
            if (islands[i].Start <= to && islands[i].End > to)
            {
                to = islands[i].End;
                i = -1;
            }
        }
        return to;
    }

    /// <summary>Everything below <paramref name="end"/> is in a committed image.</summary>
    public void MarkCommitted(SequenceNumber start, SequenceNumber end)
    {
        if (Watermark is { } mark)
        {
            Watermark = SequenceNumber.Max(mark, end);
            MarkReleased(Watermark.Value, Watermark.Value);
        }
        else
        {
            BeginStream(start);
            Watermark = end;
        }
    }

    private void AddIsland(SequenceNumber start, SequenceNumber end)
    {
        for (var i = 0; i < islandCount; i++)
        {
            if (start <= islands[i].End && end >= islands[i].Start)
            {
                islands[i] = (
                    start < islands[i].Start ? start : islands[i].Start, SequenceNumber.Max(end, islands[i].End));
                return;
            }
        }
        // With no room the range is forgotten, and what the secondary sent for it stays queued until a checkpoint
        // clears it.
        if (islandCount < IslandsMax)
        {
            islands[islandCount++] = (start, end);
        }
    }
}
