namespace Colo.Vmm.Net;

/// <summary>
/// The frames that a comparer holds: how much memory they take, and how each of them ends. Every way out of the
/// comparer goes through here, so the sum is right and every frame has a fate (S13, S14).
/// </summary>
internal sealed class FrameAccount(IReleaseSink sink, ComparerCounters counters)
{
    /// <summary>Buffer bytes of both sides.</summary>
    public long HeldBytes { get; private set; }

    /// <summary>Buffer bytes of the secondary's frames.</summary>
    public long SecondaryBytes { get; private set; }

    /// <summary>Takes the caller's reference.</summary>
    public void Hold(PooledFrame frame, ReplicaSide side)
    {
        frame.TransferTo(FrameOwner.Comparer);
        Count(frame, side);
    }

    /// <summary>A frame that was made in the comparer: a reassembled datagram.</summary>
    public void Count(PooledFrame frame, ReplicaSide side)
    {
        HeldBytes += frame.CapacityBytes;
        if (side == ReplicaSide.Secondary)
        {
            SecondaryBytes += frame.CapacityBytes;
        }
    }

    /// <summary>The output has taken a frame of the primary.</summary>
    public void Released(PooledFrame frame)
    {
        HeldBytes -= frame.CapacityBytes;
        frame.Release();
    }

    /// <summary>A held frame, with the fragments it is made of, will not leave.</summary>
    public void Discard(PooledFrame frame, ReplicaSide side, DropReason reason)
    {
        while (frame.Fragments is { } fragment)
        {
            frame.Fragments = fragment.Next;
            fragment.Next = null;
            Discard(fragment, side, reason);
        }
        HeldBytes -= frame.CapacityBytes;
        if (side == ReplicaSide.Secondary)
        {
            SecondaryBytes -= frame.CapacityBytes;
        }
        Drop(frame, side, reason);
    }

    /// <summary>A frame that was never held will not leave.</summary>
    public void Drop(PooledFrame frame, ReplicaSide side, DropReason reason)
    {
        counters.CountDropped(reason);
        sink.Dropped(frame, side, reason);
        frame.Release();
    }

    /// <summary>Discards the secondary's frames of epochs before this one.</summary>
    public void DropOlder(ComparerConnection connection, FrameEpoch epoch, DropReason reason)
    {
        while (connection.SecondaryQueue.First is { } frame && frame.Epoch < epoch)
        {
            connection.SecondaryQueue.Remove(frame);
            Discard(frame, ReplicaSide.Secondary, reason);
        }
    }

    /// <summary>The term is lost: discards everything of the primary.</summary>
    public void DropPrimaryQueue(ComparerConnection connection)
    {
        while (connection.PrimaryQueue.First is { } frame)
        {
            connection.PrimaryQueue.Remove(frame);
            Discard(frame, ReplicaSide.Primary, DropReason.TermLost);
        }
    }
}
