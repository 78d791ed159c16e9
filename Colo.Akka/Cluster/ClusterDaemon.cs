using Akka.Actor;

namespace Akka.Cluster;

/// <summary>
/// <c>/system/cluster</c>: holds the actors of the membership together. When the core stops, by order or by failure,
/// the membership is over and everything here stops.
/// </summary>
internal sealed class ClusterDaemon(Cluster cluster) : UntypedActor
{
    private IActorRef _core;

    protected override SupervisorStrategy SupervisorStrategy() => Akka.Actor.SupervisorStrategy.StoppingStrategy;

    protected override void PreStart()
    {
        var dispatcher = cluster.Settings.UseDispatcher;
        Context.ActorOf(Place(Props.Create(() => new HeartbeatReceiver(cluster)), dispatcher), "heartbeatReceiver");
        var sender = Context.ActorOf(Place(Props.Create(() => new HeartbeatSender(cluster)), dispatcher), "heartbeatSender");
        _core = Context.ActorOf(Place(Props.Create(() => new ClusterCore(cluster, sender)), dispatcher), "core");
        Context.Watch(_core);
        if (cluster.DowningProvider.DowningActorProps is { } downing)
        {
            Context.ActorOf(Place(downing, dispatcher), "downingProvider");
        }
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case ClusterCommand command:
                _core.Forward(command);
                break;
            case Terminated gone when gone.ActorRef.Equals(_core):
                Context.Stop(Self);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    internal static Props Place(Props props, string dispatcher) =>
        dispatcher.Length == 0 ? props : props.WithDispatcher(dispatcher);
}
