using Akka.Actor;

namespace Akka.Cluster;

/// <summary>Tells the rest of the node what the core has come to know: the read side, the heartbeats, the subscribers.
/// Used by the core alone.</summary>
internal sealed class ClusterPublisher(Cluster cluster, IActorRef heartbeatSender)
{
    private readonly ClusterSubscriptions _subscriptions = new();
    private MembershipState _published = new(Gossip.Empty, cluster.SelfUniqueAddress);

    /// <param name="state">What holds now.</param>
    /// <param name="inside">False while this node comes in or goes out, when others that vanish from view are not
    /// dead.</param>
    internal void Publish(MembershipState state, bool inside)
    {
        var before = _published;
        if (ReferenceEquals(before.Gossip, state.Gossip))
        {
            return;
        }

        _published = state;
        cluster.Update(DomainEvents.Snapshot(state), state.SelfMember);
        heartbeatSender.Tell(new HeartbeatSender.Membership(
            [.. state.Gossip.Members.Select(member => member.UniqueAddress)],
            [.. state.UnreachableMembers.Select(member => member.UniqueAddress)]));
        foreach (var happened in DomainEvents.Between(before, state))
        {
            if (inside && happened is ClusterEvent.MemberRemoved removed && !removed.Member.UniqueAddress.Equals(state.Self))
            {
                cluster.NodeGone(removed.Member.UniqueAddress, removed.PreviousStatus);
            }

            _subscriptions.Publish(happened);
        }
    }

    /// <summary>The membership is over: for the subscribers, everybody is removed.</summary>
    internal void ShutDown()
    {
        _subscriptions.Publish(ClusterEvent.ClusterShuttingDown.Instance);
        Publish(new MembershipState(Gossip.Empty, cluster.SelfUniqueAddress), inside: false);
    }

    internal void Subscribe(ClusterCommand.Subscribe subscribe, MembershipState state)
    {
        if (subscribe.Mode == ClusterEvent.SubscriptionInitialStateMode.InitialStateAsSnapshot)
        {
            subscribe.Subscriber.Tell(DomainEvents.Snapshot(state), ActorRefs.NoSender);
        }
        else
        {
            foreach (var happened in DomainEvents.Between(new MembershipState(Gossip.Empty, cluster.SelfUniqueAddress), state)
                .Where(happened => ClusterSubscriptions.Wants(subscribe.To, happened)))
            {
                subscribe.Subscriber.Tell(happened, ActorRefs.NoSender);
            }
        }

        _subscriptions.Add(subscribe.Subscriber, subscribe.To);
    }

    internal void Unsubscribe(IActorRef subscriber, Type to) => _subscriptions.Remove(subscriber, to);
}
