using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Vm.Qemu;

/// <summary>
/// What becomes of a pair of QEMUs, beside the question who owns the VM. QEMU takes its checkpoints by itself; this
/// core makes the pair, counts what QEMU reports, asks for a checkpoint when somebody wants one, and gives up in good
/// order.
/// <code>
/// owner   Idle -> AwaitingTarget -> Copying -> Copied -> Starting -> Replicating -> Idle
/// joiner  Idle -> Preparing -> Waiting -> Replica -> Idle
/// </code>
/// Promises: the arbiter is asked for the pair only when both sides have said that the first state runs (S1); a disk is
/// copied by bitmap only when the bitmap was begun with this very peer in the term in which its disk was last in step.
/// When the peer is silent it waits for
/// <see cref="EndPrimarySession"/> or <see cref="SettleSecondary"/>.
/// </summary>
public sealed class QemuPairCore(VmId vm, HostIdentity self, FailoverOptions options, ReplicationMode mode)
    : IProtocolCore
{
    private readonly PeerFence fence = new();
    private HostIdentity peer;
    private Term term;
    private long attempt;
    private bool paired;
    private bool pairRuns;
    private bool replicaRuns;
    private bool handover;
    private CheckpointReason? owed;
    private Epoch asked;
    private HostId? gapPeer;
    private Term gapTerm = Term.Zero;
    private ReplicationMode inForce = mode;
    private long refusedSize = -1;

    public QemuPairState State { get; private set; } = QemuPairState.Idle;

    public string StateName => State.ToString();

    /// <summary>Number of the last checkpoint that QEMU has reported on this host.</summary>
    public Epoch Epoch { get; private set; } = Epoch.Zero;

    public long Refused => fence.Refused;

    /// <summary>Why no joiner is taken, when its disks cannot be made equal to these; empty otherwise.</summary>
    public string Mismatch { get; private set; } = string.Empty;

    public void Decide(Instant now, Message message, EffectList effects)
    {
        if (message is PeerMessage said and not JoinOffer && !fence.Admit(said, effects))
        {
            return;
        }

        switch (message)
        {
            case StartPrimarySession start: OnStartPrimary(start); break;
            case CheckpointReady ready: OnTargetReady(ready, effects); break;
            case StartResync start: OnStartResync(start, effects); break;
            case DiskCopyDone: OnCopied(0, effects); break;
            case QemuDisksCopied copied: OnCopied(copied.Bytes, effects); break;
            case ResyncChannelFailed failed: OnCopyFailed(failed.Reason, effects); break;
            case CheckpointTrigger trigger: OnTrigger(trigger.Reason, effects); break;
            case CheckpointWanted wanted: OnTrigger(wanted.Reason, effects); break;
            case QemuPairRunning: OnPairRunning(effects); break;
            case VmStateLoaded loaded: OnReplicaLoaded(loaded, effects); break;
            case QemuStartFailed failed: OnStartFailed(failed.Reason, effects); break;
            case PrimaryPaired pair: OnPaired(pair.Term, effects); break;
            case SwitchoverCancelled: handover = false; break;
            case SetReplicationMode set: OnSetMode(set.Mode, effects); break;
            case EndPrimarySession: End(); break;
            case QemuCheckpointTaken taken: OnCheckpoint(taken, effects); break;
            case JoinOffer offer: OnMismatchedOffer(offer, effects); break;
            case ProtectCommand command: Refuse(command, effects); break;
            default: DecideAsJoiner(message, effects); break;
        }
    }

    private void DecideAsJoiner(Message message, EffectList effects)
    {
        switch (message)
        {
            case StartSecondarySession start: OnStartSecondary(start); break;
            case QemuTargetReady: OnPrepared(effects); break;
            case CheckpointRequest request: OnFirstState(request, effects); break;
            case QemuReplicaRunning: OnReplicaRunning(effects); break;
            case SecondaryPaired pair: OnPaired(pair.Term, effects); break;
            case SettleSecondary: Settle(effects); break;
            case EndSecondarySession: End(); break;
            default: break; // of checkpoints that Colo drives itself; a QEMU pair has none
        }
    }

    private void OnStartPrimary(StartPrimarySession start)
    {
        Invariant.Require(!start.InSync, "S5", "a QEMU's peer is filled from the start", start.Peer, start.InSync);
        End();
        fence.Begin(start.Peer, start.Term);
        (peer, term, attempt) = (start.Peer, start.Term, start.Attempt);
        Epoch = Epoch.Max(Epoch, start.Epoch);
        State = QemuPairState.AwaitingTarget;
    }

    private void OnTargetReady(CheckpointReady ready, EffectList effects)
    {
        if (State == QemuPairState.AwaitingTarget && ready.Attempt == attempt)
        {
            Tell(new JoinerReady(peer), effects);
        }
    }

    private void OnStartResync(StartResync start, EffectList effects)
    {
        bool covered = gapPeer == start.Peer.Host && gapTerm > Term.Zero && start.Joiner.LastTerm == gapTerm;
        DiskCopyPlan plan = start.DiskSizeBytes == 0 ? DiskCopyPlan.Nothing : covered ? DiskCopyPlan.Bitmaps : DiskCopyPlan.Full;
        State = QemuPairState.Copying;
        Emit(EventCode.ResyncStarted, $"{peer}: disk by {plan}", effects);
        effects.Add(new Effect.CopyDisk(peer.Host, plan));
    }

    private void OnCopied(long bytes, EffectList effects)
    {
        if (State == QemuPairState.Copying)
        {
            Emit(EventCode.ResyncDone, $"{peer}: {bytes} bytes", effects);
            State = QemuPairState.Copied;
            Tell(new ResyncConverged(peer), effects);
        }
    }

    private void OnCopyFailed(string reason, EffectList effects)
    {
        if (State == QemuPairState.Copying)
        {
            Emit(EventCode.ResyncFailed, reason, effects);
            Tell(new ResyncFailed(peer, reason), effects);
        }
    }

    private void OnTrigger(CheckpointReason reason, EffectList effects)
    {
        if (State == QemuPairState.Copied && reason == CheckpointReason.Join)
        {
            Epoch = Epoch.Next;
            (pairRuns, replicaRuns) = (false, false);
            State = QemuPairState.Starting;

            // The new bitmap begins when the disks are attached: the one of an earlier pair is of no use any more.
            gapPeer = null;
            Send(new CheckpointRequest(self, term, Epoch, CheckpointReason.Join), effects);
            effects.Add(new Effect.BeginJoinGate());
            effects.Add(new Effect.CaptureState(Epoch, ResumeAfter: true));
        }
        else if (State == QemuPairState.Replicating && paired)
        {
            handover |= reason == CheckpointReason.Switchover;
            Emit(EventCode.CheckpointRequested, $"{reason}", effects);
            effects.Add(new Effect.CaptureState(Epoch.Next, ResumeAfter: true));
        }
        else if (State is QemuPairState.Starting or QemuPairState.Replicating)
        {
            owed = reason; // a comparer asks once
        }
    }

    private void OnPairRunning(EffectList effects)
    {
        pairRuns |= State == QemuPairState.Starting;
        CompleteJoin(effects);
    }

    private void OnReplicaLoaded(VmStateLoaded loaded, EffectList effects)
    {
        replicaRuns |= State == QemuPairState.Starting && loaded.Epoch == Epoch;
        CompleteJoin(effects);
    }

    private void CompleteJoin(EffectList effects)
    {
        if (State == QemuPairState.Starting && pairRuns && replicaRuns)
        {
            State = QemuPairState.Replicating;
            Emit(EventCode.CheckpointCommitted, "the first state", effects);
            Tell(new JoinCheckpointLoaded(peer, Epoch), effects);
        }
    }

    private void OnStartFailed(string reason, EffectList effects)
    {
        if (State == QemuPairState.Starting)
        {
            Emit(EventCode.ResyncFailed, reason, effects);
            Tell(new ResyncFailed(peer, reason), effects);
        }
    }

    private void OnPaired(Term pairTerm, EffectList effects)
    {
        term = pairTerm;
        fence.Raise(term);
        paired = true;
        if (State == QemuPairState.Replicating)
        {
            (gapPeer, gapTerm) = (peer.Host, pairTerm);
            if (owed is { } reason)
            {
                owed = null;
                OnTrigger(reason, effects);
            }
        }
    }

    private void OnSetMode(ReplicationMode wanted, EffectList effects)
    {
        // What auto measures is inside QEMU; it compares.
        inForce = wanted == ReplicationMode.Periodic ? ReplicationMode.Periodic : ReplicationMode.Colo;
        effects.Add(new Effect.SetComparing(inForce == ReplicationMode.Colo));
        Emit(EventCode.ModeChanged, $"{wanted}: {inForce}", effects);
    }

    private void OnCheckpoint(QemuCheckpointTaken taken, EffectList effects)
    {
        if (State is not (QemuPairState.Replicating or QemuPairState.Replica))
        {
            return;
        }

        Epoch = Epoch.Next;
        if (State == QemuPairState.Replica)
        {
            Emit(EventCode.CheckpointLoaded, "", effects);
            return;
        }

        Emit(EventCode.CheckpointCaptured, $"by QEMU, pause {taken.Pause.TotalMilliseconds:0.0} ms", effects);
        if (handover)
        {
            handover = false;
            Tell(new GuestHandedOver($"{peer} takes over from {Epoch}"), effects);
        }
    }

    private void OnMismatchedOffer(JoinOffer offer, EffectList effects)
    {
        Mismatch = $"colo.vms.{vm}.disks: {options.DiskSizeBytes} bytes on {self.Host}, "
            + $"{offer.Disk.SizeBytes} on {offer.From.Host}; "
            + "the images of a pair must be of one size";
        if (refusedSize != offer.Disk.SizeBytes)
        {
            refusedSize = offer.Disk.SizeBytes;
            Emit(EventCode.JoinAborted, Mismatch, effects);
        }
    }

    private void Refuse(ProtectCommand command, EffectList effects) =>
        effects.Add(new Effect.CompleteCommand(command.Id, CommandResult.Refused, Mismatch));

    private void OnStartSecondary(StartSecondarySession start)
    {
        End();
        fence.Begin(start.Peer, start.Term);
        (peer, term, attempt) = (start.Peer, start.Term, start.Attempt);
        Epoch = Epoch.Zero;
        State = QemuPairState.Preparing;
    }

    private void OnPrepared(EffectList effects)
    {
        if (State == QemuPairState.Preparing)
        {
            State = QemuPairState.Waiting;
            Send(new CheckpointReady(self, term, attempt), effects);
        }
    }

    private void OnFirstState(CheckpointRequest request, EffectList effects)
    {
        asked = request.Epoch;
        BecomeReplica(effects);
    }

    private void OnReplicaRunning(EffectList effects)
    {
        replicaRuns = true;
        BecomeReplica(effects);
    }

    private void BecomeReplica(EffectList effects)
    {
        if (State == QemuPairState.Waiting && replicaRuns && asked > Epoch.Zero)
        {
            State = QemuPairState.Replica;
            Epoch = asked;
            Emit(EventCode.CheckpointLoaded, "the first state", effects);
            Send(new VmStateLoaded(self, term, asked), effects);
        }
    }

    private void Settle(EffectList effects)
    {
        fence.End();

        // QEMU finishes or drops the checkpoint in flight by itself when it is told to take over.
        Tell(new SecondarySettled(Epoch, State == QemuPairState.Replica), effects);
    }

    private void End()
    {
        fence.End();
        (paired, pairRuns, replicaRuns, handover, asked, owed) = (false, false, false, false, Epoch.Zero, null);
        State = QemuPairState.Idle;
    }

    private void Send(PeerMessage message, EffectList effects) => effects.Add(new Effect.Send(peer.Host, message));

    private static void Tell(Message message, EffectList effects) => effects.Add(new Effect.Tell(CoreName.Failover, message));

    private void Emit(EventCode code, string summary, EffectList effects) =>
        effects.Add(new Effect.Emit(new HostEvent(code, term, Epoch, summary)));
}
