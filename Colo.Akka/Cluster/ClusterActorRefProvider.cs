using Akka.Actor;
using Akka.Actor.Internal;
using Akka.Configuration;
using Akka.Event;
using Akka.Remote;

namespace Akka.Cluster;

/// <summary>The remote provider of a system that is a cluster node: <c>akka.actor.provider = cluster</c>.</summary>
public class ClusterActorRefProvider : RemoteActorRefProvider
{
    private Cluster _cluster;

    public ClusterActorRefProvider(string systemName, Settings settings, EventStream eventStream)
        : base(systemName, WithDefaults(settings), eventStream)
    {
    }

    public override void Init(ActorSystemImpl system)
    {
        base.Init(system);
        _cluster = Cluster.Get(system);
    }

    /// <summary>For members the cluster's own detector and the downing provider decide.</summary>
    internal override bool IsWatchedElsewhere(Address address) =>
        _cluster?.State.Members.Any(member => member.Address.Equals(address)) == true;

    private static Settings WithDefaults(Settings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        settings.InjectTopLevelFallback(ConfigurationFactory.FromResource("Akka.Configuration.Cluster.conf"));
        return settings;
    }
}
