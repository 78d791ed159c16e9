using Akka.Actor;
using Colo.Actors.Protocol;

namespace Colo.Actors.Vm;

/// <summary>
/// The decisions of one VM on this host: a message in, <see cref="VmProtocolLoop"/>'s effects out to the parent in
/// their order. Timers are the only effects that it keeps to itself. All cores of the VM share this one mailbox,
/// because a decision and its consequence in another core must not be torn apart (docs/adr/0003). It is never
/// restarted: a core that throws has broken an invariant, and half a state is worse than none.
/// </summary>
internal sealed class VmProtocolActor : ReceiveActor, IWithTimers
{
    private readonly VmProtocolLoop protocol;
    private readonly TimeProvider time;
    private readonly EffectList effects = new();

    public VmProtocolActor(VmProtocolLoop protocol, TimeProvider time)
    {
        this.protocol = protocol;
        this.time = time;
        Receive<Message>(Decide);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private void Decide(Message message)
    {
        effects.Clear();
        protocol.Decide(MonotonicClock.Now(time), message, effects);
        foreach (Effect effect in effects)
        {
            switch (effect)
            {
                case Effect.StartTimer start:
                    Timers.StartSingleTimer(start.Name, new TimerFired(start.Name, start.Generation), start.After);
                    break;
                case Effect.StopTimer stop:
                    Timers.Cancel(stop.Name);
                    break;
                default:
                    Context.Parent.Tell(effect);
                    break;
            }
        }

        Context.Parent.Tell(new VmGlance(protocol.KnownTerm, protocol.HoldsGuest));
    }
}
