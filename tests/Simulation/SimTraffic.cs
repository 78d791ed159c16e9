using Colo.Actors.Checkpoint;
using Colo.Actors.Failover;
using Colo.Actors.Network;
using Colo.Actors.Protocol;

namespace Colo.Simulation;

/// <summary>
/// The frames of one VM on one host: what clients send and the mirror of it, what the guest answers, the comparison,
/// and the gate through which alone a frame leaves. The production counterparts are mirror, comparer and output gate.
/// </summary>
public sealed class SimTraffic(SimVm vm, SimWorld world)
{
    private readonly SimComparer _comparer = new(world.Mutant);
    private readonly SortedDictionary<long, List<Frame>> _queuedInput = [];
    private readonly List<(long Time, Frame Frame, long Epoch)> _secondaryOnly = [];
    private long _mirrorSerial;
    private long _mirrorSeen;
    private long _lastScan;
    private int _owedCheckpoints;

    public List<(Frame Frame, long Epoch, Term Term, long Since)> Held { get; } = [];

    public IEnumerable<Frame> QueuedInput => _queuedInput.Values.SelectMany(frames => frames);

    public long OldestSecondaryOnly => _secondaryOnly.Count == 0 ? long.MaxValue : _secondaryOnly[0].Time;

    public bool IsMirroring { get; set; }

    public bool IsComparing { get; set; } = true;

    /// <summary>A connection of two hosts begins: nothing has been mirrored or compared over it.</summary>
    public void Connected()
    {
        IsMirroring = false;
        _mirrorSeen = 0;
        _mirrorSerial = 0;
        _comparer.Clear();
        _secondaryOnly.Clear();
    }

    /// <summary>The guest is gone, and with it what it was to answer and what it had answered.</summary>
    public void Clear()
    {
        Held.Clear();
        _comparer.Clear();
        _secondaryOnly.Clear();
        _queuedInput.Clear();
    }

    /// <summary>Everything that waited goes to the guest: it is alone now and its epoch goes on.</summary>
    public void DeliverQueued()
    {
        foreach (List<Frame> queue in _queuedInput.Values)
        {
            queue.ForEach(frame => vm.Guest?.Inbox.Enqueue(frame));
        }

        _queuedInput.Clear();
    }

    /// <summary>The guest of an epoch was loaded: what came after its capture is for it, what came before it has. What
    /// the guest that it replaces had sent when this host was the primary is in no history any more.</summary>
    public void DeliverQueued(long epoch)
    {
        Held.Clear();
        foreach (long tag in _queuedInput.Keys.Where(tag => tag <= epoch).ToList())
        {
            if (tag == epoch)
            {
                _queuedInput[tag].ForEach(vm.Guest!.Inbox.Enqueue);
            }

            _queuedInput.Remove(tag);
        }
    }

    public void OnClientFrame(Frame frame)
    {
        if (!vm.IsAttached || vm.Guest is not { } guest)
        {
            return;
        }

        if (IsMirroring && vm.Connection is { } connection)
        {
            long tag = vm.Tag;
            long serial = ++_mirrorSerial;
            int copies = world.Mutant == Mutant.M20 && vm.Noise.Chance(100) ? 2 : 1;
            for (; copies > 0; copies--)
            {
                connection.Send(vm.Place, ReplicationChannel.Mirror, peer => peer.Traffic.OnMirrored(frame, tag, serial));
            }
        }

        guest.Inbox.Enqueue(frame);
        vm.Kick();
    }

    public void OnMirrored(Frame frame, long tag, long serial)
    {
        world.Oracle.OnMirrored(vm, serial, _mirrorSeen);
        _mirrorSeen = serial;
        if (tag < vm.Tag && vm.Guest is not null)
        {
            return; // the image has it
        }

        if (vm.Guest is not null && tag == vm.Tag)
        {
            vm.Guest.Inbox.Enqueue(frame);
            vm.Kick();
            return;
        }

        if (!_queuedInput.TryGetValue(tag, out List<Frame>? queue))
        {
            _queuedInput[tag] = queue = [];
        }

        queue.Add(frame);
    }

    public void OnSecondaryFrame(Frame frame, long tag)
    {
        if (!vm.AsPrimary)
        {
            return;
        }

        _comparer.Add(frame, tag);
        if (frame.Payload.Length > 0 || frame.Kind != FrameKind.Data)
        {
            _secondaryOnly.Add((world.Scheduler.Now, frame, tag));
        }

        Reconsider(frame.Connection);
    }

    public void Output(Frame frame)
    {
        if (vm.AsPrimary || !vm.Gate.IsClosed)
        {
            Submit(frame);
        }
        else if (vm.Connection is { Broken: false } connection)
        {
            long tag = vm.Tag;
            connection.Send(vm.Place, ReplicationChannel.Compare, peer => peer.Traffic.OnSecondaryFrame(frame, tag));
        }
    }

    private void Submit(Frame frame)
    {
        Held.Add((frame, vm.Tag, vm.Protocol.Failover.Term, world.Scheduler.Now));
        Reconsider(frame.Connection);
    }

    public void Reconsider(long? connection = null)
    {
        bool mismatch = false;
        long about = 0;
        for (int i = 0; i < Held.Count;)
        {
            (Frame frame, long epoch, Term term, long _) = Held[i];
            if (connection is { } only && frame.Connection != only && !vm.Gate.IsSolo)
            {
                i++;
                continue;
            }

            bool differs = false;
            FrameFacts facts = IsComparing
                ? _comparer.Facts(frame, new Epoch(epoch), term, out differs)
                : FrameFacts.Unmatched(new Epoch(epoch), term);
            FrameFate fate = vm.Gate.Decide(facts);
            if (world.Mutant == Mutant.SoloJoin && vm.Protocol.Failover.State is FailoverState.Joining or FailoverState.AskingPair)
            {
                fate = FrameFate.Solo;
            }

            if (OutputGate.IsRelease(fate))
            {
                Held.RemoveAt(i);
                world.Oracle.OnRelease(vm, frame, fate);
                world.Trace.Mix((int)fate);
                world.Edge.FromHost(vm.Place, frame);
                continue;
            }

            if (differs)
            {
                mismatch = true;
                about = Math.Max(about, epoch);
            }

            i++;
        }

        if (mismatch && vm.Gate.NeedsMatch)
        {
            if (world.Mutant == Mutant.M12)
            {
                _owedCheckpoints++;
            }

            vm.Deliver(new CheckpointTrigger(CheckpointReason.Mismatch, new Epoch(about)));
        }
    }

    public void Scan()
    {
        long now = world.Scheduler.Now;
        if (!vm.AsPrimary || !vm.Gate.NeedsMatch || now - _lastScan < 10_000)
        {
            return;
        }

        _lastScan = now;
        _secondaryOnly.RemoveAll(item => item.Epoch < vm.Tag || PrimaryHasMade(item.Frame));
        if (!IsComparing)
        {
            _secondaryOnly.Clear();
        }

        if (Held.Count > 0 && IsComparing && now - Held[0].Since > world.Options.CompareTimeoutMicros)
        {
            vm.Deliver(new CheckpointTrigger(CheckpointReason.CompareTimeout, new Epoch(Held[0].Epoch)));
        }
        else if (_secondaryOnly.Count > 0 && now - _secondaryOnly[0].Time > world.Options.CompareTimeoutMicros && world.Mutant != Mutant.M17)
        {
            vm.Deliver(new CheckpointTrigger(CheckpointReason.CompareTimeout, new Epoch(_secondaryOnly[0].Epoch)));
        }
    }

    private bool PrimaryHasMade(Frame frame)
    {
        if (vm.Guest is not { } guest || !guest.Connections.TryGetValue(frame.Connection, out GuestConnection? connection))
        {
            return frame.Kind == FrameKind.Reset;
        }

        int end = unchecked((int)(frame.Sequence - connection.InitialSequence - 1)) + frame.Payload.Length;
        return frame.Kind != FrameKind.Reset && end <= connection.Sent.Count;
    }

    public void Acknowledge(Epoch epoch)
    {
        vm.Gate.Acknowledge(epoch);
        _comparer.DropBelow(epoch.Value);
        if (vm.Images.Captured is { } image && image.Epoch == epoch.Value)
        {
            foreach ((long id, GuestConnection state) in image.Guest.Connections)
            {
                _comparer.RaiseSafeAck(id, state.AckNumber); // the image has these bytes, and it is committed
            }
        }
    }

    public void OwedCheckpoint()
    {
        if (world.Mutant == Mutant.M12 && _owedCheckpoints > 0)
        {
            _owedCheckpoints--;
            vm.After(1_000, () => vm.Deliver(new CheckpointTrigger(CheckpointReason.Mismatch)));
        }
    }
}
