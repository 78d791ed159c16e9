using System.Collections.Immutable;
using Akka.Actor;

namespace Akka.Cluster;

/// <summary>Who wants to hear of which events. An actor that has stopped is taken out by its owner.</summary>
internal sealed class ClusterSubscriptions
{
    private readonly Dictionary<IActorRef, ImmutableHashSet<Type>> _subscribers = [];

    internal void Add(IActorRef subscriber, ImmutableHashSet<Type> to) =>
        _subscribers[subscriber] = _subscribers.TryGetValue(subscriber, out var before) ? before.Union(to) : to;

    /// <summary>Null takes the subscriber out altogether.</summary>
    internal void Remove(IActorRef subscriber, Type to)
    {
        if (!_subscribers.TryGetValue(subscriber, out var types))
        {
            return;
        }

        var rest = to is null ? [] : types.Remove(to);
        if (rest.IsEmpty)
        {
            _subscribers.Remove(subscriber);
        }
        else
        {
            _subscribers[subscriber] = rest;
        }
    }

    internal void Publish(object happened)
    {
        foreach (var (subscriber, types) in _subscribers)
        {
            if (Wants(types, happened))
            {
                subscriber.Tell(happened, ActorRefs.NoSender);
            }
        }
    }

    internal static bool Wants(ImmutableHashSet<Type> types, object happened) => types.Any(type => type.IsInstanceOfType(happened));
}
