namespace Colo.Vmm.Net;

/// <summary>
/// Decides which of the primary guest's frames may leave. Each flow is a queue of the primary's frames, in the
/// order it sent them, and of the secondary's answers; the head of the primary's queue is released with a
/// <see cref="ReleasePermit"/>, held, or makes the comparer ask for a checkpoint.
/// <para>Promises: no frame is released without a permit (S1); no acknowledgement leaves before the secondary has
/// given it (S6); every frame has a fate and no frame of the primary is dropped because a queue is full (S13);
/// memory is bounded, and at the bound the caller is told (S14); one checkpoint is asked for, however many reasons
/// there are (L3); frames match only within one epoch (design section 7).</para>
/// <para>Frames of an epoch that is captured but not committed wait: until the commit is known the survivor might
/// still be the replica that runs the epoch before. When the secondary is silent the frames age, those of both
/// sides, and a checkpoint is asked for.</para>
/// <para>Not thread safe. Times are monotonic and the host's, never the guest's (defect H8 of QEMU).</para>
/// </summary>
public sealed class PacketComparer
{
    private readonly ComparerOptions options;
    private readonly IReleaseSink sink;
    private readonly FrameAccount account;
    private readonly ComparerTable table;
    private readonly FragmentAssembler primaryFragments;
    private readonly FragmentAssembler secondaryFragments;

    // Frames for which the table had no room. Nothing is compared here; a commit releases them.
    private readonly ComparerConnection unplaced = new() { HasDiffered = true };
    private FrameEpoch captured;
    private FrameEpoch committed;
    private TimeSpan commitTime;
    private bool isRequested;

    /// <summary>A comparer of a pair whose last committed checkpoint is <paramref name="epoch"/>.</summary>
    public PacketComparer(ComparerOptions options, FramePool pool, IReleaseSink sink, FrameEpoch epoch = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Validate() is { Count: > 0 } violations)
        {
            throw new ArgumentException(string.Join("; ", violations), nameof(options));
        }
        this.options = options;
        this.sink = sink;
        account = new FrameAccount(sink, Counters);
        table = new ComparerTable(options.ConnectionsMax);
        primaryFragments = new FragmentAssembler(pool);
        secondaryFragments = new FragmentAssembler(pool);
        captured = epoch;
        committed = epoch;
        unplaced.Reset(default, epoch);
        unplaced.HasDiffered = true;
    }

    public ComparerMode Mode { get; private set; } = ComparerMode.Pair;

    public ComparerCounters Counters { get; } = new();

    /// <summary>Epoch of the last capture: what the primary's frames carry now.</summary>
    public FrameEpoch CapturedEpoch => captured;

    public FrameEpoch CommittedEpoch => committed;

    /// <summary>Buffer bytes in all queues.</summary>
    public long HeldBytes => account.HeldBytes;

    /// <summary>So much is held that the guest should be paused until a commit has released it.</summary>
    public bool Saturated => HeldBytes >= options.HeldBytesMax / 4 * 3;

    public int ConnectionCount => table.Count;

    /// <summary>
    /// A frame that the primary guest sent, tagged with the last captured epoch. Takes the caller's reference.
    /// False only at the memory bound: the caller keeps the frame, stops the guest's sending and tries again later.
    /// </summary>
    [HotPath]
    public bool Primary(PooledFrame frame, FrameEpoch epoch, TimeSpan now)
    {
        ArgumentNullException.ThrowIfNull(frame);
        if (Mode == ComparerMode.Stopped)
        {
            account.Drop(frame, ReplicaSide.Primary, DropReason.TermLost);
            return true;
        }
        if (epoch > captured)
        {
            throw new ArgumentOutOfRangeException(nameof(epoch), epoch.Number, $"the primary is at epoch {captured}");
        }
        if (HeldBytes + frame.CapacityBytes > options.HeldBytesMax)
        {
            Counters.Refused++;
            Request(CheckpointReason.Overflow);
            return false;
        }
        Counters.PrimaryFrames++;
        frame.Epoch = epoch;
        frame.Arrival = now;
        var view = FrameView.Parse(frame.Frame);
        account.Hold(frame, ReplicaSide.Primary);
        if (view.IsFragment && view.Kind != FrameKind.Malformed)
        {
            if (!primaryFragments.TryAdd(frame, view, out var whole))
            {
                EnqueuePrimary(unplaced, frame);
            }
            else if (whole is not null)
            {
                account.Count(whole, ReplicaSide.Primary);
                var wholeView = FrameView.Parse(whole.Frame);
                EnqueuePrimary(whole, wholeView);
            }
            return true;
        }
        EnqueuePrimary(frame, view);
        return true;
    }

    /// <summary>A frame that the secondary guest sent, tagged with the epoch it had loaded. Takes the caller's
    /// reference.</summary>
    [HotPath]
    public void Secondary(PooledFrame frame, FrameEpoch epoch, TimeSpan now)
    {
        ArgumentNullException.ThrowIfNull(frame);
        Counters.SecondaryFrames++;
        if (Mode != ComparerMode.Pair || epoch < committed || epoch > captured)
        {
            account.Drop(frame, ReplicaSide.Secondary, Mode switch
            {
                ComparerMode.Solo => DropReason.Solo,
                ComparerMode.Stopped => DropReason.TermLost,
                ComparerMode.Pair or _ => epoch < committed ? DropReason.Superseded : DropReason.UnknownEpoch,
            });
            return;
        }
        // The secondary's frames may take half of the memory; losing one costs a checkpoint and no data.
        if (account.SecondaryBytes + frame.CapacityBytes > options.HeldBytesMax / 2
            || HeldBytes + frame.CapacityBytes > options.HeldBytesMax)
        {
            account.Drop(frame, ReplicaSide.Secondary, DropReason.Overflow);
            Request(CheckpointReason.Overflow);
            return;
        }
        frame.Epoch = epoch;
        frame.Arrival = now;
        var view = FrameView.Parse(frame.Frame);
        account.Hold(frame, ReplicaSide.Secondary);
        if (view.IsFragment && view.Kind != FrameKind.Malformed)
        {
            if (!secondaryFragments.TryAdd(frame, view, out var whole))
            {
                account.Discard(frame, ReplicaSide.Secondary, DropReason.Overflow);
                Request(CheckpointReason.Overflow);
            }
            else if (whole is not null)
            {
                account.Count(whole, ReplicaSide.Secondary);
                EnqueueSecondary(whole, FrameView.Parse(whole.Frame));
            }
            return;
        }
        EnqueueSecondary(frame, view);
    }

    /// <summary>Ages what waits. Call it a few times within a compare timeout.</summary>
    public void Tick(TimeSpan now)
    {
        if (Mode != ComparerMode.Pair)
        {
            return;
        }
        var deadline = now - options.CompareTimeout;
        // After a commit both replicas start to answer at the same moment, however long their frames have been here.
        if (commitTime >= deadline)
        {
            return;
        }
        var isLate = primaryFragments.HasOlderThan(deadline, committed)
            || (unplaced.PrimaryQueue.First is { } first && first.Epoch == committed && first.Arrival < deadline);
        // What only the secondary has sent holds nobody up: it may simply be faster. It tells of a difference when it
        // stays alone for long.
        var ahead = now - options.AheadTimeout;
        var isAheadLate = commitTime < ahead;
        isLate |= isAheadLate && secondaryFragments.HasOlderThan(ahead, committed);
        ComparerConnection? late = null;
        for (var connection = table.FirstBusy; connection is not null && !isLate; connection = connection.NextBusy)
        {
            isLate = HasLate(connection.PrimaryQueue.First, deadline, onlyFirst: true)
                || (isAheadLate && HasLate(connection.SecondaryQueue.First, ahead, onlyFirst: false));
            late = isLate ? connection : null;
        }
        if (isLate)
        {
            if (late is not null && !isRequested && captured == committed)
            {
                sink.Overdue(late.Key);
            }
            Request(CheckpointReason.Timeout);
        }
    }

    /// <summary>The state of <paramref name="epoch"/> was captured: from now on the primary's frames carry it.
    /// Releases nothing (H1).</summary>
    public void CheckpointCaptured(FrameEpoch epoch)
    {
        if (epoch <= captured)
        {
            throw new ArgumentOutOfRangeException(nameof(epoch), epoch.Number, $"epoch {captured} has been captured");
        }
        captured = epoch;
        isRequested = false;
    }

    /// <summary>The secondary has acknowledged that it committed <paramref name="epoch"/>.</summary>
    public void CheckpointCommitted(FrameEpoch epoch, TimeSpan now)
    {
        if (epoch <= committed || epoch > captured)
        {
            throw new ArgumentOutOfRangeException(
                nameof(epoch), epoch.Number, $"epoch {committed} is committed and {captured} captured");
        }
        committed = epoch;
        commitTime = now;
        while (secondaryFragments.PeekOlderThan(committed, all: false) is { } fragment)
        {
            secondaryFragments.Remove(fragment);
            account.Discard(fragment, ReplicaSide.Secondary, DropReason.Superseded);
        }
        for (var connection = table.FirstBusy; connection is not null; connection = connection.NextBusy)
        {
            connection.HasDiffered = false;
            account.DropOlder(connection, committed, DropReason.Superseded);
        }
        OutputReady();
    }

    /// <summary>The checkpoint in flight failed while the pair lives on. Its frames need another one.</summary>
    public void CheckpointAbandoned(FrameEpoch epoch)
    {
        if (Mode == ComparerMode.Pair && epoch == captured && epoch > committed && !isRequested)
        {
            isRequested = true;
            Counters.CountRequest(CheckpointReason.Abandoned);
            sink.RequestCheckpoint(CheckpointReason.Abandoned);
        }
    }

    /// <summary>This host owns the VM alone in the current term: all that waits leaves, and all that comes.</summary>
    public void GoSolo()
    {
        if (Mode == ComparerMode.Stopped)
        {
            return;
        }
        Mode = ComparerMode.Solo;
        DropSecondary(DropReason.Solo);
        for (var connection = table.FirstBusy; connection is not null; connection = connection.NextBusy)
        {
            // It may be idle at the commit that begins the next pair, and is not looked at then.
            connection.HasDiffered = false;
        }
        OutputReady();
    }

    /// <summary>
    /// The owner gives solo up before it asks for a pair: frames tagged <paramref name="epoch"/>, the capture of
    /// the joining checkpoint, wait for its commit.
    /// </summary>
    public void EnterPair(FrameEpoch epoch)
    {
        if (Mode == ComparerMode.Stopped)
        {
            return;
        }
        CheckpointCaptured(epoch);
        committed = epoch.Previous;
        Mode = ComparerMode.Pair;
    }

    /// <summary>The term is lost. What waits will never leave; there is no way back but a new comparer.</summary>
    public void StopReleasing()
    {
        Mode = ComparerMode.Stopped;
        DropSecondary(DropReason.TermLost);
        account.DropPrimaryQueue(unplaced);
        for (var connection = table.FirstBusy; connection is not null;)
        {
            var next = connection.NextBusy;
            account.DropPrimaryQueue(connection);
            table.UpdateBusy(connection);
            connection = next;
        }
        while (primaryFragments.PeekOlderThan(committed, all: true) is { } fragment)
        {
            primaryFragments.Remove(fragment);
            account.Discard(fragment, ReplicaSide.Primary, DropReason.TermLost);
        }
    }

    /// <summary>Where the connections used last stand, at most so many of them.</summary>
    public IReadOnlyList<ConnectionPosition> Positions(int most) =>
        [.. table.NewestFirst().Take(most).Select(ConnectionPosition.Of)];

    /// <summary>For an operator who asks why nothing moves: the oldest waiting frame of each busy connection, at
    /// most eight of them.</summary>
    public string DescribeWaiting()
    {
        List<string> lines = [];
        for (var connection = table.FirstBusy; connection is not null && lines.Count < 8; connection = connection.NextBusy)
        {
            lines.Add($"{connection.Key}: primary {Head(connection.PrimaryQueue)}, secondary {Head(connection.SecondaryQueue)}, released to "
                + $"{connection.Watermark}, acknowledged by the secondary {connection.SecondaryAck}");
        }
        return string.Join("; ", lines);
        static string Head(FrameQueue queue) => queue.First is { } first
            ? $"{queue.Count} from {first.Flags} {first.Sequence}+{first.PayloadLength} ack {first.Acknowledgement} epoch {first.Epoch}"
            : "0";
    }

    /// <summary>The output takes frames again after it had refused one.</summary>
    public void OutputReady()
    {
        ReleaseFragments();
        ReleaseWaiting(unplaced);
        for (var connection = table.FirstBusy; connection is not null;)
        {
            var next = connection.NextBusy;
            ReleaseWaiting(connection);
            table.UpdateBusy(connection);
            connection = next;
        }
    }

    private void EnqueuePrimary(PooledFrame frame, in FrameView view)
    {
        var key = ConnectionKey.Of(view);
        var connection = FindOrAdd(key);
        if (connection is null)
        {
            Counters.ConnectionsRefused++;
            EnqueuePrimary(unplaced, frame);
            return;
        }
        frame.Describe(view, key.Class);
        if (key.Class == FlowClass.Tcp)
        {
            frame.Incarnation = connection.PrimaryIncarnation.Number(frame);
        }
        EnqueuePrimary(connection, frame);
    }

    private void EnqueuePrimary(ComparerConnection connection, PooledFrame frame)
    {
        connection.PrimaryQueue.Append(frame);
        ReleaseWaiting(connection);
        if (connection != unplaced)
        {
            table.UpdateBusy(connection);
        }
        if (connection.PrimaryQueue.Last == frame)
        {
            sink.Held(frame);
            if (connection.PrimaryQueue.Count >= options.QueueFramesMax || connection == unplaced)
            {
                Request(CheckpointReason.Overflow);
            }
        }
    }

    private void EnqueueSecondary(PooledFrame frame, in FrameView view)
    {
        var key = ConnectionKey.Of(view);
        var connection = FindOrAdd(key);
        if (connection is null || connection.IsPassThrough)
        {
            account.Discard(frame, ReplicaSide.Secondary, connection is null ? DropReason.Overflow : DropReason.PassThrough);
            if (connection is null)
            {
                Request(CheckpointReason.Overflow);
            }
            return;
        }
        frame.Describe(view, key.Class);
        if (frame.Epoch > connection.SecondaryEpoch)
        {
            account.DropOlder(connection, frame.Epoch, DropReason.Superseded);
            TcpMatcher.BeginSecondaryEpoch(connection, frame.Epoch);
        }
        else if (frame.Epoch < connection.SecondaryEpoch)
        {
            account.Discard(frame, ReplicaSide.Secondary, DropReason.Superseded);
            return;
        }
        if (!QueueSecondary(connection, frame))
        {
            account.Discard(frame, ReplicaSide.Secondary, DropReason.Consumed);
        }
        ReleaseWaiting(connection);
        table.UpdateBusy(connection);
        if (connection.SecondaryQueue.Count >= options.QueueFramesMax)
        {
            Request(CheckpointReason.Overflow);
        }
    }

    private static bool QueueSecondary(ComparerConnection connection, PooledFrame frame)
    {
        if (connection.Key.Class == FlowClass.Tcp)
        {
            return TcpMatcher.Enqueue(connection, frame);
        }
        if (connection.Key.Class == FlowClass.Neighbour && DatagramMatcher.IsRepetition(connection, frame))
        {
            return false;
        }
        connection.SecondaryQueue.Append(frame);
        return true;
    }

    private ComparerConnection? FindOrAdd(in ConnectionKey key)
    {
        if (table.Find(key) is { } known)
        {
            return known;
        }
        // While frames wait unplaced, a new connection could overtake its own.
        var added = unplaced.PrimaryQueue.Count == 0 ? table.TryAdd(key, committed) : null;
        if (added is not null)
        {
            added.IsPassThrough = false;
            for (var i = 0; i < options.PassThrough.Count && !added.IsPassThrough; i++)
            {
                added.IsPassThrough = options.PassThrough[i].Matches(key);
            }
        }
        Counters.ConnectionsEvicted = table.Evicted;
        return added;
    }

    private void ReleaseWaiting(ComparerConnection connection)
    {
        while (connection.PrimaryQueue.First is { } frame)
        {
            var isTcp = connection.Key.Class == FlowClass.Tcp;
            if (isTcp)
            {
                TcpMatcher.Advance(connection, frame);
            }
            if (!TryPermit(connection, frame, out var permit, out var match) || !TryRelease(frame, permit))
            {
                return;
            }
            connection.PrimaryQueue.Remove(frame);
            if (isTcp)
            {
                TcpMatcher.Released(connection, frame, isCovered: permit is ReleasePermit.Committed or ReleasePermit.Solo);
                Prune(connection);
            }
            else
            {
                DatagramMatcher.Released(connection, frame);
                if (match is not null)
                {
                    connection.SecondaryQueue.Remove(match);
                    account.Discard(match, ReplicaSide.Secondary, DropReason.Consumed);
                }
            }
            account.Released(frame);
        }
    }

    private bool TryPermit(ComparerConnection connection, PooledFrame frame, out ReleasePermit permit, out PooledFrame? match)
    {
        match = null;
        permit = connection.IsPassThrough ? ReleasePermit.PassThrough
            : Mode == ComparerMode.Solo ? ReleasePermit.Solo
            : frame.Epoch < committed ? ReleasePermit.Committed
            : ReleasePermit.Matched;
        if (permit != ReleasePermit.Matched)
        {
            return true;
        }
        if (frame.Epoch != committed || connection.HasDiffered || connection.Key.Class == default)
        {
            return false;
        }
        TcpDifference difference = default;
        var verdict = connection.Key.Class == FlowClass.Tcp
            ? TcpMatcher.Examine(connection, frame, ref difference)
            : DatagramMatcher.Examine(connection, frame, ref difference, out match);
        if (verdict == Verdict.Differs)
        {
            connection.HasDiffered = true;
            sink.Differ(new FrameDifference
            {
                Connection = connection.Key,
                Kind = difference.Kind,
                StreamOffset = difference.StreamOffset,
                PrimaryByte = difference.PrimaryByte,
                SecondaryByte = difference.SecondaryByte,
                Primary = frame,
                Secondary = difference.Secondary,
            });
            Request(CheckpointReason.Mismatch);
        }
        return verdict == Verdict.Release;
    }

    // A reassembled datagram leaves as the fragments that came, each counted once when the output has taken it.
    private bool TryRelease(PooledFrame frame, ReleasePermit permit)
    {
        if (frame.Fragments is null)
        {
            if (!sink.TryRelease(frame, permit))
            {
                return false;
            }
            Counters.CountReleased(permit);
            return true;
        }
        while (frame.Fragments is { } fragment)
        {
            if (!sink.TryRelease(fragment, permit))
            {
                return false;
            }
            Counters.CountReleased(permit);
            frame.Fragments = fragment.Next;
            fragment.Next = null;
            account.Released(fragment);
        }
        return true;
    }

    private void ReleaseFragments()
    {
        var isSolo = Mode == ComparerMode.Solo;
        while (primaryFragments.PeekOlderThan(committed, all: isSolo) is { } fragment
            && TryRelease(fragment, isSolo ? ReleasePermit.Solo : ReleasePermit.Committed))
        {
            primaryFragments.Remove(fragment);
            account.Released(fragment);
        }
    }

    private void Prune(ComparerConnection connection)
    {
        for (var frame = connection.SecondaryQueue.First; frame is not null;)
        {
            var next = frame.Next;
            if (TcpMatcher.IsConsumed(connection, frame))
            {
                connection.SecondaryQueue.Remove(frame);
                account.Discard(frame, ReplicaSide.Secondary, DropReason.Consumed);
            }
            else if (!TcpMatcher.IsControl(frame))
            {
                return;
            }
            frame = next;
        }
    }

    private void DropSecondary(DropReason reason)
    {
        while (secondaryFragments.PeekOlderThan(committed, all: true) is { } fragment)
        {
            secondaryFragments.Remove(fragment);
            account.Discard(fragment, ReplicaSide.Secondary, reason);
        }
        for (var connection = table.FirstBusy; connection is not null;)
        {
            var next = connection.NextBusy;
            account.DropOlder(connection, new FrameEpoch(long.MaxValue), reason);
            table.UpdateBusy(connection);
            connection = next;
        }
    }

    private bool HasLate(PooledFrame? first, TimeSpan deadline, bool onlyFirst)
    {
        for (var frame = first; frame is not null; frame = onlyFirst ? null : frame.Next)
        {
            if (frame.Epoch == committed && frame.Arrival < deadline)
            {
                return true;
            }
        }
        return false;
    }

    private void Request(CheckpointReason reason)
    {
        // What was found while a checkpoint is asked for or in flight is answered by that checkpoint (H2).
        if (Mode != ComparerMode.Pair || isRequested || captured > committed)
        {
            Counters.RequestsAbsorbed++;
            return;
        }
        isRequested = true;
        Counters.CountRequest(reason);
        sink.RequestCheckpoint(reason);
    }
}
