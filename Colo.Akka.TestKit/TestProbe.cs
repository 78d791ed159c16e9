using Akka.Actor;
using Akka.Dispatch.SysMsg;
using Akka.Util;

namespace Akka.TestKit;

/// <summary>A test actor of its own: send from it, look at what it gets, answer.</summary>
public class TestProbe : TestKitBase, INoImplicitSender, IInternalActorRef
{
    public TestProbe(ActorSystem system, ITestKitAssertions assertions, string testProbeName = null)
        : base(assertions, system, testProbeName)
    {
    }

    public IActorRef Ref => TestActor;

    public IActorRef Sender => LastSender;

    ActorPath IActorRef.Path => TestActor.Path;

    IInternalActorRef IInternalActorRef.Parent => Inner.Parent;

    IActorRefProvider IInternalActorRef.Provider => Inner.Provider;

    bool IInternalActorRef.IsTerminated => Inner.IsTerminated;

    bool IActorRefScope.IsLocal => Inner.IsLocal;

    private IInternalActorRef Inner => (IInternalActorRef)TestActor;

    /// <summary>Sends with this probe as the sender.</summary>
    public void Send(IActorRef actor, object message) => actor.Tell(message, TestActor);

    /// <summary>Passes the last message on with its sender.</summary>
    public void Forward(IActorRef actor) => Forward(actor, LastMessage);

    public void Forward(IActorRef actor, object message) => actor.Tell(message, Sender);

    /// <summary>Answers the sender of the last message.</summary>
    public void Reply(object message) => Sender.Tell(message, TestActor);

    public override TestProbe CreateTestProbe(ActorSystem system, string name = null) =>
        throw new NotSupportedException("Cannot create a TestProbe from a TestProbe");

    void ICanTell.Tell(object message, IActorRef sender) => TestActor.Tell(message, sender);

    IActorRef IInternalActorRef.GetChild(IReadOnlyList<string> name) => Inner.GetChild(name);

    void IInternalActorRef.Start() => Inner.Start();

    void IInternalActorRef.Stop() => Inner.Stop();

    void IInternalActorRef.Suspend() => Inner.Suspend();

    void IInternalActorRef.Resume(Exception causedByFailure) => Inner.Resume(causedByFailure);

    void IInternalActorRef.Restart(Exception cause) => Inner.Restart(cause);

    void IInternalActorRef.SendSystemMessage(ISystemMessage message) => Inner.SendSystemMessage(message);

    int IComparable<IActorRef>.CompareTo(IActorRef other) => TestActor.CompareTo(other);

    int IComparable.CompareTo(object obj) => TestActor.CompareTo(obj);

    bool IEquatable<IActorRef>.Equals(IActorRef other) => TestActor.Equals(other);

    ISurrogate ISurrogated.ToSurrogate(ActorSystem system) => TestActor.ToSurrogate(system);

    public override bool Equals(object obj) => ReferenceEquals(this, obj) || TestActor.Equals(obj);

    public override int GetHashCode() => TestActor.GetHashCode();

    public override string ToString() => TestActor.ToString();
}
