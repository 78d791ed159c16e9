using Akka.Actor;

namespace Akka.Dispatch.MessageQueues;

/// <summary>
/// Lock-free queue for many producers and one consumer: a chain of rings. A ring is used over and over while it is
/// large enough, so that a steady flow allocates nothing; a full ring is closed and a larger one is linked behind it.
/// </summary>
public class UnboundedMessageQueue : IMessageQueue, IUnboundedMessageQueueSemantics
{
    // Small, because most actors never have more than a few messages waiting and there may be a million of them.
    private const int FirstCapacity = 8;
    private const int LastCapacity = 1 << 16;

    private MessageRing _head;
    private MessageRing _tail;

    public bool HasMessages
    {
        get
        {
            var ring = Volatile.Read(ref _head);
            return ring is not null && (!ring.IsEmpty || ring.Next is not null);
        }
    }

    public int Count
    {
        get
        {
            var count = 0;
            for (var ring = Volatile.Read(ref _head); ring is not null; ring = ring.Next)
            {
                count += ring.Count;
            }

            return count;
        }
    }

    public void Enqueue(IActorRef receiver, Envelope envelope) => Enqueue(envelope.Message, envelope.Sender);

    public bool TryDequeue(out Envelope envelope)
    {
        var ring = _head;
        while (ring is not null)
        {
            if (ring.TryDequeue(out envelope))
            {
                return true;
            }

            var next = ring.Next;

            // Since the ring was seen empty it may have been filled, closed and linked; now nothing more comes into it.
            if (next is not null && ring.TryDequeue(out envelope))
            {
                return true;
            }

            ring = next;
            if (ring is not null)
            {
                Volatile.Write(ref _head, ring);
            }
        }

        envelope = default;
        return false;
    }

    public void CleanUp(IActorRef owner, IMessageQueue deadletters)
    {
        while (TryDequeue(out var envelope))
        {
            deadletters.Enqueue(owner, envelope);
        }
    }

    /// <returns>True when room for another <see cref="LastCapacity"/> messages had to be made: the consumer does not
    /// keep up, and nothing bounds this queue.</returns>
    internal bool Enqueue(object message, IActorRef sender)
    {
        var ring = Volatile.Read(ref _tail);
        var grown = false;
        while (ring is null || !ring.TryEnqueue(message, sender))
        {
            ring = Extend(ring, ref grown);
        }

        return grown;
    }

    private MessageRing Extend(MessageRing full, ref bool grown)
    {
        lock (this)
        {
            if (!ReferenceEquals(_tail, full))
            {
                return _tail;
            }

            var next = new MessageRing(full is null ? FirstCapacity : Math.Min(full.Capacity * 2, LastCapacity));
            if (full is null)
            {
                Volatile.Write(ref _head, next);
            }
            else
            {
                full.CloseAndLink(next);
            }

            Volatile.Write(ref _tail, next);
            grown = full is not null && full.Capacity == LastCapacity;
            return next;
        }
    }
}
