using Akka.Actor;
using Colo.Actors.Node;

namespace Colo.Actors.Heartbeat;

/// <summary>
/// Keeps the <see cref="HeartbeatLoop"/> while the node runs, carries its findings to the parent and what the VMs say
/// of themselves to it. When the loop fails this actor fails, and the node with it.
/// </summary>
internal sealed class HeartbeatActor : ReceiveActor
{
    private readonly HeartbeatLoop loop;

    public HeartbeatActor(HeartbeatLoop loop)
    {
        this.loop = loop;
        Receive<VmGlanced>(loop.Post);
        Receive<VmGone>(loop.Post);
        Receive<HeartbeatLoopFailed>(failed => throw failed.Problem);
    }

    protected override void PreStart()
    {
        IActorRef parent = Context.Parent;
        IActorRef self = Self;
        loop.Start(finding => parent.Tell(finding, self), problem => self.Tell(new HeartbeatLoopFailed(problem)));
    }

    protected override void PostStop()
    {
        loop.Dispose();
        base.PostStop();
    }

    private sealed record HeartbeatLoopFailed(Exception Problem);
}
