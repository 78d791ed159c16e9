namespace Akka.Dispatch;

/// <summary>What an actor or dispatcher may ask of a message queue.</summary>
public interface ISemantics;

public interface IUnboundedMessageQueueSemantics : ISemantics;

public interface IMultipleConsumerSemantics : ISemantics;

public interface IBoundedMessageQueueSemantics : ISemantics
{
    /// <summary>How long a sender waits for room before the message becomes a dead letter.</summary>
    TimeSpan PushTimeOut { get; }
}

public interface IBlockingMessageQueueSemantics : IMultipleConsumerSemantics
{
    TimeSpan BlockTimeOut { get; set; }
}

public interface IDequeBasedMessageQueueSemantics : ISemantics
{
    void EnqueueFirst(Actor.Envelope envelope);
}

public interface IUnboundedDequeBasedMessageQueueSemantics
    : IDequeBasedMessageQueueSemantics, IUnboundedMessageQueueSemantics;

public interface IBoundedDequeBasedMessageQueueSemantics
    : IDequeBasedMessageQueueSemantics, IBoundedMessageQueueSemantics;

/// <summary>
/// An actor class that needs a queue of the given kind; the configuration maps the kind to a mailbox.
/// </summary>
public interface IRequiresMessageQueue<T>
    where T : ISemantics;

public interface IProducesMessageQueue<TQueue>
    where TQueue : MessageQueues.IMessageQueue;

public interface IProducesPushTimeoutSemanticsMailbox
{
    TimeSpan PushTimeout { get; }
}
