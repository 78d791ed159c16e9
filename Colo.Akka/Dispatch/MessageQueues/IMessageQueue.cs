using Akka.Actor;

namespace Akka.Dispatch.MessageQueues;

/// <summary>Where the user messages of one actor wait. Many threads enqueue, one dequeues.</summary>
public interface IMessageQueue
{
    bool HasMessages { get; }

    int Count { get; }

    void Enqueue(IActorRef receiver, Envelope envelope);

    bool TryDequeue(out Envelope envelope);

    /// <summary>Moves what is left to the dead letters, when the actor has stopped.</summary>
    void CleanUp(IActorRef owner, IMessageQueue deadletters);
}
