using Akka.Actor;

namespace Akka.Event;

/// <summary>A node was given up.</summary>
internal sealed class AddressTerminated(Address address)
    : IAutoReceivedMessage, IPossiblyHarmful, IDeadLetterSuppression, INoSerializationVerificationNeeded
{
    public Address Address { get; } = address;
}

/// <summary>Who wants to hear of nodes that were given up: the actors with a watch across nodes.</summary>
internal sealed class AddressTerminatedTopic : IExtension
{
    private readonly HashSet<IActorRef> _subscribers = [];

    public static AddressTerminatedTopic Get(ActorSystem system) =>
        system.WithExtension<AddressTerminatedTopic, AddressTerminatedTopicProvider>();

    public void Subscribe(IActorRef subscriber)
    {
        lock (_subscribers)
        {
            _subscribers.Add(subscriber);
        }
    }

    public void Unsubscribe(IActorRef subscriber)
    {
        lock (_subscribers)
        {
            _subscribers.Remove(subscriber);
        }
    }

    public void Publish(AddressTerminated message)
    {
        IActorRef[] subscribers;
        lock (_subscribers)
        {
            subscribers = _subscribers.OrderBy(s => s).ToArray();
        }

        foreach (var subscriber in subscribers)
        {
            subscriber.Tell(message, ActorRefs.NoSender);
        }
    }
}

internal sealed class AddressTerminatedTopicProvider : ExtensionIdProvider<AddressTerminatedTopic>
{
    public override AddressTerminatedTopic CreateExtension(ExtendedActorSystem system) => new();
}
