using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Akka.Util;

namespace Akka.Cluster;

/// <summary>What cluster nodes send each other; see Protos/Cluster.proto.</summary>
internal interface IClusterMessage : IDeadLetterSuppression;

/// <summary>A node looks for a cluster: are you in one?</summary>
internal sealed record InitJoin : IClusterMessage;

internal sealed record InitJoinAck(Address Address) : IClusterMessage;

internal sealed record InitJoinNack(Address Address) : IClusterMessage;

internal sealed record JoinRequest(UniqueAddress Node, ImmutableHashSet<string> Roles, AppVersion AppVersion) : IClusterMessage;

/// <summary>You are in, and this is the cluster.</summary>
internal sealed record Welcome(UniqueAddress From, Gossip Gossip) : IClusterMessage;

internal sealed record GossipEnvelope(UniqueAddress From, UniqueAddress To, Gossip Gossip) : IClusterMessage;

/// <summary>A node that leaves, or was given up, is done with it and needs no more waiting for.</summary>
internal sealed record ExitingConfirmed(UniqueAddress Node) : IClusterMessage;

internal sealed record Heartbeat(UniqueAddress From, long Number) : IClusterMessage;

internal sealed record HeartbeatRsp(UniqueAddress From, long Number) : IClusterMessage;

/// <summary>What the cluster actor is told inside its own system.</summary>
internal abstract record ClusterCommand : INoSerializationVerificationNeeded
{
    internal sealed record JoinTo(Address Address) : ClusterCommand;

    internal sealed record JoinSeeds(ImmutableList<Address> Seeds) : ClusterCommand;

    internal sealed record Leave(Address Address) : ClusterCommand;

    internal sealed record Down(Address Address) : ClusterCommand;

    internal sealed record Subscribe(
        IActorRef Subscriber, ClusterEvent.SubscriptionInitialStateMode Mode, ImmutableHashSet<Type> To) : ClusterCommand;

    internal sealed record Unsubscribe(IActorRef Subscriber, Type To) : ClusterCommand;

    internal sealed record SendState(IActorRef Receiver) : ClusterCommand;

    /// <summary>Answered with Done once this node is Exiting, or not in the cluster at all.</summary>
    internal sealed record LeaveAndWaitForExiting : ClusterCommand;

    /// <summary>All that had to be done before the exit is done; answered with Done.</summary>
    internal sealed record ExitingCompleted : ClusterCommand;

    internal sealed record Stop : ClusterCommand;

    internal sealed record GossipTick : ClusterCommand;

    internal sealed record LeaderTick : ClusterCommand;

    internal sealed record ReapTick : ClusterCommand;

    /// <summary>Look for a seed again; the number tells an old search from the present one.</summary>
    internal sealed record SeedTick(int Search) : ClusterCommand;

    internal sealed record SeedDeadline(int Search) : ClusterCommand;
}
