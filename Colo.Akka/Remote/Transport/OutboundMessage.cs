using Akka.Actor;
using Akka.Dispatch.SysMsg;

namespace Akka.Remote.Transport;

/// <summary>What waits for a link: a user message, or a system message, which has no sender.</summary>
internal readonly record struct OutboundMessage(object Message, IActorRef Sender, RemoteActorRef Recipient)
{
    internal bool IsSystem => Message is ISystemMessage;
}
