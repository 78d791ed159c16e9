using Akka.Actor;
using Akka.Dispatch.SysMsg;
using Akka.Remote.Serialization.Proto;

namespace Akka.Remote.Transport;

/// <summary>The system messages that cross nodes: death watch and termination. Supervision does not, as nothing is
/// deployed remotely.</summary>
internal static class SystemMessages
{
    /// <summary>The wire form, still without a number; null for a message that stays at home.</summary>
    internal static SystemEnvelope Encode(in OutboundMessage message, Address local)
    {
        var envelope = new SystemEnvelope { Recipient = message.Recipient.WirePath };
        switch (message.Message)
        {
            case Watch watch:
                envelope.Kind = SystemMessageKind.SystemWatch;
                envelope.Actor = PathOf(watch.Watcher, local);
                return envelope;
            case Unwatch unwatch:
                envelope.Kind = SystemMessageKind.SystemUnwatch;
                envelope.Actor = PathOf(unwatch.Watcher, local);
                return envelope;
            case Terminate:
                envelope.Kind = SystemMessageKind.SystemTerminate;
                return envelope;
            case DeathWatchNotification died:
                envelope.Kind = SystemMessageKind.SystemDeathWatchNotification;
                envelope.Actor = PathOf(died.Actor, local);
                envelope.ExistenceConfirmed = died.ExistenceConfirmed;
                envelope.AddressTerminated = died.AddressTerminated;
                return envelope;
            default:
                return null;
        }
    }

    /// <summary>Delivers to the recipient. What names no actor of this kind of message ends the link.</summary>
    /// <exception cref="WireFormatException">The kind is unknown or a path is missing.</exception>
    internal static void Deliver(SystemEnvelope envelope, IInternalActorRef recipient, Func<string, IActorRef> resolve)
    {
        switch (envelope.Kind)
        {
            case SystemMessageKind.SystemWatch:
                recipient.SendSystemMessage(new Watch(recipient, Actor()));
                break;
            case SystemMessageKind.SystemUnwatch:
                recipient.SendSystemMessage(new Unwatch(recipient, Actor()));
                break;
            case SystemMessageKind.SystemTerminate:
                recipient.SendSystemMessage(new Terminate());
                break;
            case SystemMessageKind.SystemDeathWatchNotification:
                recipient.SendSystemMessage(
                    new DeathWatchNotification(Actor(), envelope.ExistenceConfirmed, envelope.AddressTerminated));
                break;
            default:
                throw new WireFormatException($"a system message of kind {(int)envelope.Kind}");
        }

        IInternalActorRef Actor() => resolve(envelope.Actor) as IInternalActorRef is { } actor && !actor.IsNobody()
            ? actor
            : throw new WireFormatException($"a system message about '{envelope.Actor}', which is no actor path");
    }

    private static string PathOf(IActorRef actor, Address local) => actor.Path.ToSerializationFormatWithAddress(local);
}
