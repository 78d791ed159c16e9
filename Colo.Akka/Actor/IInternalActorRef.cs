using Akka.Dispatch.SysMsg;

namespace Akka.Actor;

/// <summary>What the engine itself may do with a reference: drive the life of the actor behind it.</summary>
public interface IInternalActorRef : IActorRef, IActorRefScope
{
    IInternalActorRef Parent { get; }

    IActorRefProvider Provider { get; }

    /// <summary>True once the actor has stopped; false does not promise that it is alive.</summary>
    bool IsTerminated { get; }

    /// <summary>Walks down by names; <c>..</c> goes up, an empty name stays. Nobody when there is none.</summary>
    IActorRef GetChild(IReadOnlyList<string> name);

    void Start();

    void Stop();

    void Suspend();

    void Resume(Exception causedByFailure = null);

    void Restart(Exception cause);

    void SendSystemMessage(ISystemMessage message);
}
