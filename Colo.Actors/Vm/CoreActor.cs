using Akka.Actor;
using Colo.Actors.Protocol;

namespace Colo.Actors.Vm;

/// <summary>
/// The actor around one protocol core: a message in, the core's decision, its effects out to the parent in their order.
/// Timers are the only effects that it keeps to itself. It holds no state of its own, and it is never restarted: a core
/// that has thrown has broken an invariant, and half a state is worse than none (see <see cref="VmSupervisor"/>).
/// </summary>
internal sealed class CoreActor : ReceiveActor, IWithTimers
{
    private readonly CoreName name;
    private readonly IProtocolCore core;
    private readonly TimeProvider time;
    private readonly EffectList effects = new();

    public CoreActor(CoreName name, IProtocolCore core, TimeProvider time)
    {
        this.name = name;
        this.core = core;
        this.time = time;
        Receive<Message>(Decide);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private void Decide(Message message)
    {
        effects.Clear();
        core.Decide(InstantOf(time), message, effects);
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
                    Context.Parent.Tell(new Decided(name, core.StateName, effect));
                    break;
            }
        }
    }

    /// <summary>The host's monotonic clock as the cores read it.</summary>
    internal static Instant InstantOf(TimeProvider time) =>
        new(time.GetElapsedTime(0, time.GetTimestamp()).Ticks);
}
