using Akka.Actor;

namespace Akka.Dispatch.MessageQueues;

/// <summary>
/// Delivers the message with the lowest priority number first, and messages of equal priority in the order of their
/// arrival. A message put back by a stash comes before everything.
/// </summary>
public class UnboundedPriorityMessageQueue : IMessageQueue, IUnboundedDequeBasedMessageQueueSemantics
{
    private readonly Func<object, int> _priorityGenerator;
    private readonly PriorityQueue<Envelope, (int Priority, long Arrival)> _messages;
    private readonly Stack<Envelope> _first = new();
    private long _arrivals;

    public UnboundedPriorityMessageQueue(Func<object, int> priorityGenerator, int initialCapacity)
    {
        _priorityGenerator = priorityGenerator;
        _messages = new PriorityQueue<Envelope, (int, long)>(initialCapacity);
    }

    public bool HasMessages => Count > 0;

    public int Count
    {
        get
        {
            lock (_messages)
            {
                return _messages.Count + _first.Count;
            }
        }
    }

    public void Enqueue(IActorRef receiver, Envelope envelope)
    {
        // Outside the lock: the generator is the user's code.
        var priority = _priorityGenerator(envelope.Message);
        lock (_messages)
        {
            _messages.Enqueue(envelope, (priority, _arrivals++));
        }
    }

    public void EnqueueFirst(Envelope envelope)
    {
        lock (_messages)
        {
            _first.Push(envelope);
        }
    }

    public bool TryDequeue(out Envelope envelope)
    {
        lock (_messages)
        {
            return _first.TryPop(out envelope) || _messages.TryDequeue(out envelope, out _);
        }
    }

    public void CleanUp(IActorRef owner, IMessageQueue deadletters)
    {
        while (TryDequeue(out var envelope))
        {
            deadletters.Enqueue(owner, envelope);
        }
    }
}

/// <summary>The same: ours is stable in any case.</summary>
public class UnboundedStablePriorityMessageQueue : UnboundedPriorityMessageQueue
{
    public UnboundedStablePriorityMessageQueue(Func<object, int> priorityGenerator, int initialCapacity)
        : base(priorityGenerator, initialCapacity)
    {
    }
}
