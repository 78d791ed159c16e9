namespace Colo.Vmm.Net;

/// <summary>
/// Counts the connections that the primary's guest opened on one 5-tuple: a SYN with another sequence number begins
/// the next. It keeps the count at the start of the last two epochs, because the secondary's count goes on from the
/// primary's at the capture it loads.
/// </summary>
internal sealed class IncarnationCounter
{
    private (FrameEpoch Epoch, int Count) older;
    private (FrameEpoch Epoch, int Count) newer;

    public int Count { get; private set; }

    public SequenceNumber? Syn { get; private set; }

    public void Reset()
    {
        older = (new FrameEpoch(long.MinValue), 0);
        newer = older;
        Count = 0;
        Syn = null;
    }

    /// <summary>The incarnation of a frame that the primary sent now.</summary>
    public int Number(PooledFrame frame)
    {
        if (frame.Epoch > newer.Epoch)
        {
            older = newer;
            newer = (frame.Epoch, Count);
        }
        if ((frame.Flags & TcpFlags.Syn) != 0 && Syn != frame.Sequence)
        {
            Syn = frame.Sequence;
            Count++;
        }
        return Count;
    }

    /// <summary>How many connections the primary had opened when <paramref name="epoch"/> was captured.</summary>
    public int AtStartOf(FrameEpoch epoch) =>
        older.Epoch >= epoch ? older.Count : newer.Epoch >= epoch ? newer.Count : Count;
}
