namespace Colo.Vmm.Net;

/// <summary>
/// Compares TCP by content in sequence space (RFC 9293 section 3.4), whatever the segmentation. SYN and FIN are
/// places in the stream as payload bytes are: both sides must have them at the same position. A SYN's own number is
/// not compared: initial numbers differ between replicas until the rewriter on the secondary has seen the client
/// acknowledge the primary's.
/// <para>A segment is released when (1) every byte of it that was not released before was sent by the secondary
/// too, and (2) its acknowledgement is not above what the secondary has acknowledged (S6): otherwise the client
/// would forget bytes that only the primary has. Ignored: window, urgent pointer, checksum, PSH, all options except
/// those of a SYN that bind for the connection's life, and all of the IP header.</para>
/// </summary>
internal static class TcpMatcher
{
    // Signed differences order numbers that are less than 2^31 apart. A window is at most 2^30 (RFC 7323 section
    // 2.3), so an acknowledgement that is looked at is never further than that above the last released one.
    private const int ImageAckDistanceMax = 1 << 30;

    /// <summary>Whether the primary's next frame matches. Fills <paramref name="difference"/> when it
    /// differs.</summary>
    [HotPath]
    public static Verdict Examine(ComparerConnection connection, PooledFrame primary, ref TcpDifference difference)
    {
        if ((primary.Flags & TcpFlags.Rst) != 0)
        {
            return ExamineReset(connection, primary);
        }
        var verdict = Verdict.Release;
        if ((primary.Flags & TcpFlags.Syn) != 0 && connection.ReleasedSyn != primary.Sequence)
        {
            verdict = ExamineSyn(connection, primary, ref difference);
        }
        if (verdict == Verdict.Release && (primary.PayloadLength > 0 || (primary.Flags & TcpFlags.Fin) != 0))
        {
            verdict = ExamineStream(connection, primary, ref difference);
        }
        return verdict == Verdict.Release && !IsAcknowledgementSafe(connection, primary) ? Verdict.Hold : verdict;
    }

    /// <summary>Called when the next frame of the primary is looked at, before anything is compared or
    /// released.</summary>
    public static void Advance(ComparerConnection connection, PooledFrame primary)
    {
        if (primary.Epoch > connection.ReleasedEpoch)
        {
            connection.ReleasedEpoch = primary.Epoch;
            connection.ImageAck = connection.ReleasedAck;
        }
        if (primary.Incarnation != connection.ReleasedIncarnation)
        {
            connection.BeginIncarnation(primary.Incarnation);
        }
    }

    /// <summary>Takes note of a released frame. <paramref name="isCovered"/>: by a permit that covers everything
    /// before it, too.</summary>
    public static void Released(ComparerConnection connection, PooledFrame primary, bool isCovered)
    {
        if ((primary.Flags & TcpFlags.Ack) != 0)
        {
            connection.ReleasedAck = connection.ReleasedAck is { } ack
                ? SequenceNumber.Max(ack, primary.Acknowledgement)
                : primary.Acknowledgement;
            if (connection.ImageAck is { } image && connection.ReleasedAck - image > ImageAckDistanceMax)
            {
                connection.ImageAck = null;
            }
        }
        if ((primary.Flags & TcpFlags.Rst) != 0)
        {
            connection.ReleasedReset = (primary.Sequence, primary.Acknowledgement);
            return;
        }
        if ((primary.Flags & TcpFlags.Syn) != 0)
        {
            connection.ReleasedSyn = primary.Sequence;
            if (connection.Watermark is null)
            {
                connection.BeginStream(primary.Sequence + 1);
            }
        }
        var start = StreamStart(primary);
        var end = StreamEnd(primary);
        if (isCovered)
        {
            connection.MarkCommitted(start, end);
        }
        else if (end != start)
        {
            connection.MarkReleased(start, end);
        }
    }

    /// <summary>
    /// Numbers an arriving frame of the secondary and notes what it acknowledges. True: the frame has to be queued;
    /// false: it has done its work. The caller has dropped the queue when the frame begins a new epoch.
    /// </summary>
    [HotPath]
    public static bool Enqueue(ComparerConnection connection, PooledFrame secondary)
    {
        if ((secondary.Flags & TcpFlags.Syn) != 0)
        {
            NumberSyn(connection, secondary);
        }
        secondary.Incarnation = connection.SecondaryIncarnation;
        if ((secondary.Flags & TcpFlags.Ack) != 0)
        {
            connection.SecondaryAck = connection.SecondaryAck is { } ack
                ? SequenceNumber.Max(ack, secondary.Acknowledgement)
                : secondary.Acknowledgement;
        }
        if (secondary.Incarnation < connection.ReleasedIncarnation)
        {
            return false;
        }
        var isCurrent = secondary.Incarnation == connection.ReleasedIncarnation;
        if (IsControl(secondary))
        {
            return EnqueueControl(connection, secondary, isCurrent);
        }
        if (secondary.PayloadLength == 0 && (secondary.Flags & TcpFlags.Fin) == 0)
        {
            return false;
        }
        if (isCurrent && IsReleased(connection, secondary))
        {
            return false;
        }
        return EnqueueStream(connection.SecondaryQueue, secondary);
    }

    /// <summary>The secondary now runs the image of <paramref name="epoch"/>: its numbering goes on from the
    /// primary's at the capture.</summary>
    public static void BeginSecondaryEpoch(ComparerConnection connection, FrameEpoch epoch)
    {
        connection.SecondaryEpoch = epoch;
        connection.SecondaryIncarnation = connection.PrimaryIncarnation.AtStartOf(epoch);
        connection.SecondarySyn = connection.SecondaryIncarnation == connection.PrimaryIncarnation.Count
            ? connection.PrimaryIncarnation.Syn
            : null;
        connection.SecondaryAck = null;
        connection.SecondaryAckBefore = null;
    }

    /// <summary>Whether a queued frame of the secondary has nothing left that could be matched.</summary>
    public static bool IsConsumed(ComparerConnection connection, PooledFrame secondary)
    {
        if (secondary.Incarnation != connection.ReleasedIncarnation)
        {
            return secondary.Incarnation < connection.ReleasedIncarnation;
        }
        if ((secondary.Flags & TcpFlags.Rst) != 0)
        {
            return connection.ReleasedReset is { } reset && IsSameReset(secondary, reset.Sequence, reset.Ack);
        }
        return (secondary.Flags & TcpFlags.Syn) != 0
            ? connection.ReleasedSyn is not null
            : IsReleased(connection, secondary);
    }

    /// <summary>SYN and RST segments, which are not part of the sorted stream.</summary>
    public static bool IsControl(PooledFrame frame) => (frame.Flags & (TcpFlags.Syn | TcpFlags.Rst)) != 0;

    private static void NumberSyn(ComparerConnection connection, PooledFrame secondary)
    {
        var counter = connection.PrimaryIncarnation;
        var isKnown = connection.SecondarySyn == secondary.Sequence
            || (counter.Syn == secondary.Sequence && counter.Count == connection.SecondaryIncarnation);
        if (!isKnown)
        {
            connection.SecondaryIncarnation++;
            connection.SecondarySyn = secondary.Sequence;
            connection.SecondaryAckBefore = connection.SecondaryAck;
            connection.SecondaryAck = null;
        }
    }

    private static bool EnqueueControl(ComparerConnection connection, PooledFrame secondary, bool isCurrent)
    {
        if (isCurrent && IsConsumed(connection, secondary))
        {
            return false;
        }
        for (var other = connection.SecondaryQueue.Last; other is not null; other = other.Previous)
        {
            if (other.Incarnation == secondary.Incarnation && other.Flags == secondary.Flags
                && other.Sequence == secondary.Sequence && other.Acknowledgement == secondary.Acknowledgement)
            {
                return false;
            }
        }
        connection.SecondaryQueue.Append(secondary);
        return true;
    }

    private static bool EnqueueStream(FrameQueue queue, PooledFrame secondary)
    {
        var position = queue.Last;
        while (position is not null && position.Incarnation == secondary.Incarnation
            && (IsControl(position) || position.Sequence > secondary.Sequence))
        {
            position = position.Previous;
        }
        if (position is not null && position.Incarnation == secondary.Incarnation
            && StreamEnd(position) >= StreamEnd(secondary))
        {
            return false;
        }
        queue.InsertAfter(position, secondary);
        return true;
    }

    private static Verdict ExamineReset(ComparerConnection connection, PooledFrame primary)
    {
        if (connection.ReleasedReset is { } reset && reset == (primary.Sequence, primary.Acknowledgement))
        {
            return Verdict.Release;
        }
        if (connection.SecondaryEpoch != primary.Epoch)
        {
            return Verdict.Hold;
        }
        for (var other = connection.SecondaryQueue.First; other is not null; other = other.Next)
        {
            // The acknowledgement of a reset binds nobody, the client forgets the connection; only a reset that
            // answers a SYN to a closed port is told from another by it (RFC 9293 section 3.5.2, group 1).
            if ((other.Flags & TcpFlags.Rst) != 0 && other.Incarnation == primary.Incarnation
                && IsSameReset(other, primary.Sequence, primary.Acknowledgement))
            {
                return Verdict.Release;
            }
        }
        return Verdict.Hold;
    }

    private static bool IsSameReset(PooledFrame reset, SequenceNumber sequence, SequenceNumber acknowledgement) =>
        reset.Sequence == sequence && (sequence.Value != 0 || reset.Acknowledgement == acknowledgement);

    private static Verdict ExamineSyn(ComparerConnection connection, PooledFrame primary, ref TcpDifference difference)
    {
        if (connection.SecondaryEpoch != primary.Epoch)
        {
            return Verdict.Hold;
        }
        const TcpFlags Kind = TcpFlags.Syn | TcpFlags.Ack | TcpFlags.Rst;
        var other = connection.SecondaryQueue.First;
        while (other is not null && (other.Incarnation != primary.Incarnation || (other.Flags & Kind) != (primary.Flags & Kind)
            || ((primary.Flags & TcpFlags.Ack) != 0 && other.Acknowledgement != primary.Acknowledgement)))
        {
            other = other.Next;
        }
        if (other is null)
        {
            return Verdict.Hold;
        }
        if (!TcpOptions.BindAlike(primary.Frame, other.Frame))
        {
            difference = new TcpDifference(DifferenceKind.SynOptions, 0, -1, -1, other);
            return Verdict.Differs;
        }
        if (!primary.Payload.SequenceEqual(other.Payload))
        {
            return Verdict.Hold;
        }
        primary.VerifiedLength = primary.PayloadLength;
        return Verdict.Release;
    }

    private static Verdict ExamineStream(ComparerConnection connection, PooledFrame primary, ref TcpDifference difference)
    {
        var start = StreamStart(primary);
        var payloadEnd = start + primary.PayloadLength;
        if (connection.Watermark is null)
        {
            connection.BeginStream(start);
        }
        var position = connection.ReleasedTo(start + primary.VerifiedLength);
        var other = connection.SecondaryEpoch == primary.Epoch ? connection.SecondaryQueue.First : null;
        while (position < payloadEnd)
        {
            other = FindCovering(other, primary.Incarnation, position);
            if (other is null)
            {
                primary.VerifiedLength = Math.Max(primary.VerifiedLength, position - start);
                return CheckEnd(connection, primary, position, ref difference);
            }
            var length = Math.Min(payloadEnd - position, StreamStart(other) + other.PayloadLength - position);
            var mine = primary.Payload.Slice(position - start, length);
            var theirs = other.Payload.Slice(position - StreamStart(other), length);
            if (!mine.SequenceEqual(theirs))
            {
                var at = mine.CommonPrefixLength(theirs);
                var offset = position + at - (connection.StreamStart ?? start);
                difference = new TcpDifference(DifferenceKind.Payload, (uint)offset, mine[at], theirs[at], other);
                return Verdict.Differs;
            }
            position = connection.ReleasedTo(position + length);
        }
        primary.VerifiedLength = primary.PayloadLength;
        return (primary.Flags & TcpFlags.Fin) == 0 || connection.ReleasedTo(payloadEnd) > payloadEnd
            ? Verdict.Release
            : ExamineFin(connection, primary, payloadEnd, ref difference);
    }

    private static PooledFrame? FindCovering(PooledFrame? from, int incarnation, SequenceNumber position)
    {
        for (var other = from; other is not null && other.Incarnation <= incarnation; other = other.Next)
        {
            if (other.Incarnation != incarnation || IsControl(other))
            {
                continue;
            }
            if (other.Sequence > position)
            {
                return null;
            }
            if (other.Sequence + other.PayloadLength > position)
            {
                return other;
            }
        }
        return null;
    }

    // The secondary has no byte here. If it ended its stream exactly here, it never will.
    private static Verdict CheckEnd(
        ComparerConnection connection, PooledFrame primary, SequenceNumber position, ref TcpDifference difference)
    {
        if (FindFin(connection, primary, position) is not { } fin)
        {
            return Verdict.Hold;
        }
        var offset = position - (connection.StreamStart ?? position);
        var mine = primary.Payload[position - StreamStart(primary)];
        difference = new TcpDifference(DifferenceKind.EndOfStream, (uint)offset, mine, -1, fin);
        return Verdict.Differs;
    }

    private static Verdict ExamineFin(
        ComparerConnection connection, PooledFrame primary, SequenceNumber position, ref TcpDifference difference)
    {
        if (FindFin(connection, primary, position) is not null)
        {
            return Verdict.Release;
        }
        var first = connection.SecondaryEpoch == primary.Epoch ? connection.SecondaryQueue.First : null;
        if (FindCovering(first, primary.Incarnation, position) is not { } other)
        {
            return Verdict.Hold;
        }
        var offset = position - (connection.StreamStart ?? position);
        var theirs = other.Payload[position - StreamStart(other)];
        difference = new TcpDifference(DifferenceKind.EndOfStream, (uint)offset, -1, theirs, other);
        return Verdict.Differs;
    }

    private static PooledFrame? FindFin(ComparerConnection connection, PooledFrame primary, SequenceNumber position)
    {
        var other = connection.SecondaryEpoch == primary.Epoch ? connection.SecondaryQueue.First : null;
        while (other is not null && (other.Incarnation != primary.Incarnation || IsControl(other)
            || (other.Flags & TcpFlags.Fin) == 0 || other.Sequence + other.PayloadLength != position))
        {
            other = other.Next;
        }
        return other;
    }

    private static bool IsAcknowledgementSafe(ComparerConnection connection, PooledFrame primary)
    {
        if ((primary.Flags & TcpFlags.Ack) == 0)
        {
            return true;
        }
        var isSameEpoch = connection.SecondaryEpoch == primary.Epoch;
        var answered = !isSameEpoch ? null
            : connection.SecondaryIncarnation == primary.Incarnation ? connection.SecondaryAck
            : connection.SecondaryIncarnation == primary.Incarnation + 1 ? connection.SecondaryAckBefore
            : null;
        return (answered is { } ack && primary.Acknowledgement <= ack)
            || (connection.ImageAck is { } image && primary.Acknowledgement <= image);
    }

    // A gap that is never filled is no rarity: the first that a new comparer sees of a connection may be a repeated
    // segment, while what followed it has arrived.
    private static bool IsReleased(ComparerConnection connection, PooledFrame secondary) =>
        connection.ReleasedTo(StreamStart(secondary)) >= StreamEnd(secondary);

    private static SequenceNumber StreamStart(PooledFrame frame) =>
        (frame.Flags & TcpFlags.Syn) != 0 ? frame.Sequence + 1 : frame.Sequence;

    private static SequenceNumber StreamEnd(PooledFrame frame) =>
        StreamStart(frame) + (frame.PayloadLength + ((frame.Flags & TcpFlags.Fin) != 0 ? 1 : 0));
}
