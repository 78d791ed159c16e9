using Akka.Dispatch.SysMsg;

namespace Akka.Dispatch;

/// <summary>
/// The system messages of one mailbox: any thread pushes, the thread that runs the actor takes all at once. Pushed
/// like on a stack without a lock and turned round when taken, so that they are handled in the order in which they
/// came.
/// </summary>
internal struct SystemQueue
{
    private Node _top;

    public readonly bool IsEmpty => Volatile.Read(in _top) is null;

    public void Enqueue(ISystemMessage message)
    {
        var node = new Node(message);
        Node seen;
        do
        {
            // Kept apart from the node: once the node is in the list the actor's thread may already have turned the
            // list round, and what the node then calls next says nothing about this exchange.
            seen = Volatile.Read(ref _top);
            node.Next = seen;
        }
        while (Interlocked.CompareExchange(ref _top, node, seen) != seen);
    }

    /// <summary>The oldest first, linked to the others; null when there is none.</summary>
    public Node TakeAll()
    {
        Node reversed = null;
        var node = Interlocked.Exchange(ref _top, null);
        while (node is not null)
        {
            (node.Next, reversed, node) = (reversed, node, node.Next);
        }

        return reversed;
    }

    internal sealed class Node(ISystemMessage message)
    {
        public ISystemMessage Message { get; } = message;

        public Node Next { get; set; }
    }
}
