using Akka.Actor;
using Akka.Configuration;
using Akka.Event;

namespace Akka.Dispatch.MessageQueues;

/// <summary>
/// A queue with a limit. A sender that finds it full waits for room; when the time is over its message goes to the dead
/// letters.
/// </summary>
public class BoundedMessageQueue : IMessageQueue, IBoundedMessageQueueSemantics
{
    private readonly Queue<Envelope> _messages = new();
    private readonly int _capacity;
    private readonly bool _mayWait = true;

    public BoundedMessageQueue(Config config)
        : this(config.GetInt("mailbox-capacity", 0), config.GetTimeSpan("mailbox-push-timeout-time", null))
    {
    }

    public BoundedMessageQueue(int boundedCapacity, TimeSpan pushTimeOut)
    {
        if (boundedCapacity <= 0)
        {
            throw new ArgumentException(
                $"The capacity for {nameof(BoundedMessageQueue)} is {boundedCapacity}, expected more than 0");
        }

        _capacity = boundedCapacity;
        PushTimeOut = pushTimeOut;
    }

    /// <summary>Without waiting, for a system whose actors all run on one thread.</summary>
    internal BoundedMessageQueue(int boundedCapacity)
        : this(boundedCapacity, TimeSpan.Zero) => _mayWait = false;

    public TimeSpan PushTimeOut { get; set; }

    public bool HasMessages => Count > 0;

    public int Count
    {
        get
        {
            lock (_messages)
            {
                return _messages.Count;
            }
        }
    }

    public void Enqueue(IActorRef receiver, Envelope envelope)
    {
        if (TryEnqueue(envelope))
        {
            return;
        }

        if (receiver is IInternalActorRef { Provider: { } provider })
        {
            provider.DeadLetters.Tell(new DeadLetter(envelope.Message, envelope.Sender, receiver), envelope.Sender);
        }
    }

    public bool TryDequeue(out Envelope envelope)
    {
        lock (_messages)
        {
            if (!_messages.TryDequeue(out envelope))
            {
                return false;
            }

            Monitor.Pulse(_messages);
            return true;
        }
    }

    public void CleanUp(IActorRef owner, IMessageQueue deadletters)
    {
        while (TryDequeue(out var envelope))
        {
            deadletters.Enqueue(owner, envelope);
        }
    }

    private bool TryEnqueue(Envelope envelope)
    {
        lock (_messages)
        {
            var start = Environment.TickCount64;
            while (_messages.Count >= _capacity)
            {
                var left = PushTimeOut < TimeSpan.Zero
                    ? Timeout.Infinite
                    : (int)Math.Max(0, PushTimeOut.TotalMilliseconds - (Environment.TickCount64 - start));
                if (left == 0 || !_mayWait || !Monitor.Wait(_messages, left))
                {
                    if (_messages.Count >= _capacity)
                    {
                        return false;
                    }
                }
            }

            _messages.Enqueue(envelope);
            return true;
        }
    }
}
