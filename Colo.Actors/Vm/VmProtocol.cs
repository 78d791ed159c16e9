using Colo.Actors.Checkpoint;
using Colo.Actors.Checkpoint.Primary;
using Colo.Actors.Checkpoint.Secondary;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Vm;

/// <summary>
/// All cores of one VM on one host behind one door. Routes each message to its core by the message's type, and carries what the cores tell each
/// other (<see cref="Effect.Tell"/>) before it returns, so that no message from outside comes between a decision and its consequence in
/// another core. That is the contract which the cores rely on: whoever drives them, actor or simulation, drives them through this class,
/// from one mailbox.
/// </summary>
public sealed class VmProtocol
{
    /// <summary>A decision's tells are a handful; more means that two cores talk in circles.</summary>
    private const int TellsMax = 1_000;

    private readonly EffectList _raw = new();
    private readonly Queue<Effect> _pending = new();
    private VmStatus? _reported;

    public VmProtocol(
        VmId vm, HostIdentity self, FailoverOptions failover, CheckpointOptions checkpoint, ResyncOptions resync)
    {
        Failover = new FailoverController(vm, self, failover);
        Primary = new PrimaryCheckpointCore(self, checkpoint);
        Secondary = new SecondaryCheckpointCore(self);
        Disk = new DiskReplicationCore(self);
        Resync = new ResyncWorkerCore(resync);
    }

    public FailoverController Failover { get; }

    public PrimaryCheckpointCore Primary { get; }

    public SecondaryCheckpointCore Secondary { get; }

    public DiskReplicationCore Disk { get; }

    public ResyncWorkerCore Resync { get; }

    public VmStatus Status => Failover.Status(Epoch.Max(Primary.Epoch, Secondary.Committed));

    /// <summary>For the heartbeat: term of the newest record that this host knows.</summary>
    public Term KnownTerm => Failover.Record?.Term ?? Term.Zero;

    /// <summary>For the heartbeat: false only when there is certainly no state of the guest's memory on this host.</summary>
    public bool HoldsGuest => Failover.State is not (FailoverState.Starting or FailoverState.ColdStarting or FailoverState.Parked
        or FailoverState.Off);

    /// <summary>Messages of wrong terms or senders that were refused (S3).</summary>
    public long Refused => Failover.Refused + Primary.Refused + Secondary.Refused;

    /// <summary>
    /// Takes one message and appends what is to be done. <see cref="Effect.Tell"/> never appears among the effects; a timer comes back as
    /// <see cref="TimerFired"/> through this method.
    /// </summary>
    public void Decide(Instant now, Message message, EffectList effects)
    {
        Run(CoreOf(message), now, message);
        for (int tells = 0; _pending.TryDequeue(out Effect? effect);)
        {
            if (effect is Effect.Tell tell)
            {
                Invariant.Require(++tells <= TellsMax, "S14", "tells of one decision", tells, TellsMax);
                Run(tell.To, now, tell.Message);
            }
            else
            {
                effects.Add(effect);
            }
        }

        VmStatus status = Status;
        if (status != _reported)
        {
            _reported = status;
            effects.Add(new Effect.ReportStatus(status));
        }
    }

    public static CoreName CoreOf(Message message) => message switch
    {
        TimerFired fired => CoreOf(fired.Name),
        IFailoverInput => CoreName.Failover,
        IPrimaryCheckpointInput => CoreName.PrimaryCheckpoint,
        ISecondaryCheckpointInput => CoreName.SecondaryCheckpoint,
        IDiskInput => CoreName.Disk,
        IResyncInput => CoreName.Resync,
        _ => throw new ArgumentException($"{message.GetType().Name} belongs to no core of a VM", nameof(message)),
    };

    public static CoreName CoreOf(TimerName timer) => timer switch
    {
        TimerName.ArbiterRetry or TimerName.JoinOffer or TimerName.PeerStep or TimerName.IsolationHandicap => CoreName.Failover,
        TimerName.Period or TimerName.Floor or TimerName.Phase or TimerName.AutoReturn => CoreName.PrimaryCheckpoint,
        TimerName.ResyncStall => CoreName.Resync,
        TimerName.Heartbeat => throw new ArgumentException("the heartbeat belongs to the node, not to a VM", nameof(timer)),
        _ => throw new ArgumentException($"{timer} belongs to no core of a VM", nameof(timer)),
    };

    private IProtocolCore Core(CoreName name) => name switch
    {
        CoreName.Failover => Failover,
        CoreName.PrimaryCheckpoint => Primary,
        CoreName.SecondaryCheckpoint => Secondary,
        CoreName.Disk => Disk,
        CoreName.Resync => Resync,
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    /// <summary>
    /// The effects of a told core come where the tell stood, before the rest of the teller's own: order is part of the contract, for example
    /// "end the session" before "discard the guest".
    /// </summary>
    private void Run(CoreName core, Instant now, Message message)
    {
        _raw.Clear();
        Core(core).Decide(now, message, _raw);
        int rest = _pending.Count;
        foreach (Effect effect in _raw)
        {
            _pending.Enqueue(effect);
        }

        for (; rest > 0; rest--)
        {
            _pending.Enqueue(_pending.Dequeue());
        }
    }
}
