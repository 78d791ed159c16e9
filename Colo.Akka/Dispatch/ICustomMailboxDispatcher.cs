using Akka.Dispatch.MessageQueues;

namespace Akka.Dispatch;

/// <summary>A dispatcher whose mailboxes are of its own class, as that of the test kit.</summary>
internal interface ICustomMailboxDispatcher
{
    Mailbox CreateMailbox(IMessageQueue queue);
}
