using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Vm;

/// <summary>
/// All cores of one VM on one host behind one door. Routes each message to its core by the message's type, and carries
/// what the cores tell each other (<see cref="Effect.Tell"/>) before it returns, so that no message from outside comes
/// between a decision and its consequence in another core. That is the contract which the cores rely on: whoever drives
/// them, actor or simulation, drives them through this class, from one mailbox. Who owns the VM is decided by the same
/// <see cref="FailoverController"/> for every kind of machine; what a checkpoint, a copy or a replica is differs, and
/// so do the cores beside it.
/// </summary>
public abstract class VmProtocolLoop(FailoverController failover)
{
    /// <summary>A decision's tells are a handful; more means that two cores talk in circles.</summary>
    private const int TellsMax = 1_000;

    private readonly EffectList _raw = new();
    private readonly Queue<Effect> _pending = new();
    private VmStatus? _reported;

    public FailoverController Failover { get; } = failover;

    public VmStatus Status => Failover.Status(NewestEpoch);

    /// <summary>For the heartbeat: the newest term that this host knows of, once it has read the record.</summary>
    public Term KnownTerm => Failover.Record is not { } record ? Term.Zero
        : record.Term > Failover.LastInStep ? record.Term : Failover.LastInStep;

    /// <summary>For the heartbeat: false only when there is certainly no state of the guest's memory on this
    /// host.</summary>
    public bool HoldsGuest => Failover.State is not (FailoverState.Starting or FailoverState.ColdStarting or FailoverState.Parked
        or FailoverState.Off);

    /// <summary>Messages of wrong terms or senders that were refused (S3).</summary>
    public abstract long Refused { get; }

    /// <summary>Number of the last checkpoint that this host knows of.</summary>
    protected abstract Epoch NewestEpoch { get; }

    /// <summary>
    /// Takes one message and appends what is to be done. <see cref="Effect.Tell"/> never appears among the effects; a
    /// timer comes back as
    /// <see cref="TimerFired"/> through this method. A new status comes before everything else of its decision: whoever
    /// has an event, a command's answer or the peer's next message finds the state that they speak of.
    /// </summary>
    public void Decide(Instant now, Message message, EffectList effects)
    {
        int first = effects.Count;
        Run(Route(message), now, message);
        for (int tells = 0; _pending.TryDequeue(out Effect? effect);)
        {
            if (effect is Effect.Tell tell)
            {
                Invariant.Require(++tells <= TellsMax, "S14", "tells of one decision", tells, TellsMax);
                Run(Core(tell.To), now, tell.Message);
            }
            else
            {
                effects.Add(effect);
            }
        }

        Decided(effects);
        VmStatus status = Status;
        if (status != _reported)
        {
            _reported = status;
            effects.Insert(first, new Effect.ReportStatus(status));
        }
    }

    /// <summary>The core that a message from outside is for.</summary>
    protected abstract IProtocolCore Route(Message message);

    /// <summary>The core that goes by this name.</summary>
    protected abstract IProtocolCore Core(CoreName name);

    /// <summary>After each decision, for what follows from the state reached rather than from the message.</summary>
    protected virtual void Decided(EffectList effects)
    {
    }

    /// <summary>
    /// The effects of a told core come where the tell stood, before the rest of the teller's own: order is part of the
    /// contract, for example "end the session" before "discard the guest".
    /// </summary>
    private void Run(IProtocolCore core, Instant now, Message message)
    {
        _raw.Clear();
        core.Decide(now, message, _raw);
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
