using Akka.Actor;

namespace Akka.TestKit.TestActors;

/// <summary>Takes everything and does nothing.</summary>
public class BlackHoleActor : ActorBase
{
    public static Props Props => Akka.Actor.Props.Create<BlackHoleActor>();

    protected override bool Receive(object message) => true;
}

/// <summary>Answers with the message, and gives it to the test too.</summary>
public class EchoActor : ReceiveActor
{
    public EchoActor(TestKitBase testkit, bool echoBackToSenderAsWell = true) => ReceiveAny(message =>
    {
        if (echoBackToSenderAsWell)
        {
            Sender.Tell(message, testkit.TestActor);
        }

        testkit.TestActor.Tell(message, Sender);
    });

    public static Props Props(TestKitBase testkit, bool echoBackToSenderAsWell = true) =>
        Akka.Actor.Props.Create(() => new EchoActor(testkit, echoBackToSenderAsWell));
}

/// <summary>Answers with the message.</summary>
public class SimpleEchoActor : ReceiveActor
{
    public SimpleEchoActor() => ReceiveAny(message => Sender.Tell(message, Self));

    public static Props Props() => Akka.Actor.Props.Create<SimpleEchoActor>();
}

/// <summary>Passes everything on.</summary>
public class ForwardActor : ActorBase
{
    private readonly IActorRef _target;

    public ForwardActor(IActorRef target) => _target = target;

    public static Props Props(IActorRef target) => Akka.Actor.Props.Create(() => new ForwardActor(target));

    protected override bool Receive(object message)
    {
        _target.Forward(message);
        return true;
    }
}

/// <summary>Handles nothing.</summary>
public class UnhandledMessageActor : ActorBase
{
    public static Props Props() => Akka.Actor.Props.Create<UnhandledMessageActor>();

    protected override bool Receive(object message) => false;
}
