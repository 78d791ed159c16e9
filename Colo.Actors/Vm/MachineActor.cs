using Akka.Actor;
using Akka.Event;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Vm;

/// <summary>
/// Carries out, one after another, the effects that concern the machine, the gate, the network, the disks and the
/// links. Everything goes through this one actor, because the order matters: solo is given up before the joining
/// capture, and what the gate may let out is decided before the frames that ask. It runs on a thread of its own
/// (dispatcher <c>colo.machine-dispatcher</c>), so that a checkpoint never waits for somebody else's work.
/// </summary>
internal sealed class MachineActor : ReceiveActor
{
    private readonly IVmBackend backend;
    private readonly ILoggingAdapter log = Context.GetLogger();

    public MachineActor(Func<Action<Message>, IVmBackend> open)
    {
        IActorRef parent = Context.Parent;
        IActorRef self = Self;
        // Backends report from any thread; the parent routes reports to the core that they are for.
        backend = open(message => parent.Tell(message, self));
        Receive<Effect>(Execute);
    }

    protected override void PostStop()
    {
        backend.DisposeAsync().AsTask().ContinueWith(
            closing => log.Error(closing.Exception!, "closing the machine failed"), TaskContinuationOptions.OnlyOnFaulted);
        base.PostStop();
    }

    private void Execute(Effect effect)
    {
        try
        {
            backend.Execute(effect);
        }
        catch (Exception problem) when (problem is not InvariantViolationException)
        {
            // What a backend did not foresee is a failed machine, not a failed node: let the peer have the guest.
            log.Error(problem, "{0} failed", effect.GetType().Name);
            Context.Parent.Tell(new MachineFailed($"{effect.GetType().Name}: {problem.Message}"));
        }
    }
}
