using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Dispatch.MessageQueues;
using Akka.TestKit.Xunit2;

namespace Colo.Akka.Tests.Actor;

public sealed class BadInputTests : TestKit
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public BadInputTests()
        : base(ConfigurationFactory.ParseString(
            "broken { mailbox-type = \"Colo.Akka.Tests.Actor.BrokenMailbox, Colo.Akka.Tests\" }"))
    {
    }

    [Fact]
    public void A_message_queue_that_throws_does_not_take_the_process_down()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Echo()).WithMailbox("broken"));
        EventFilter.Error(contains: "queue failed").Mute(() =>
        {
            actor.Tell("throw");
            actor.Tell("hello");
            ExpectMsg("hello", Limit);
        });
    }

    [Fact]
    public void A_decider_that_throws_fails_the_supervisor_not_the_system()
    {
        var supervisor = Sys.ActorOf(Props.Create(() => new BadSupervisor()));
        Watch(supervisor);
        EventFilter.Error(start: "").Mute(() =>
        {
            supervisor.Tell("fail");
            AwaitAssert(
                () =>
                {
                    supervisor.Tell("hello");
                    ExpectMsg("hello", TimeSpan.FromSeconds(2));
                },
                Limit);
        });
    }

    [Fact]
    public void A_mapping_that_throws_reaches_the_recipient_of_the_pipe_as_a_failure()
    {
        _ = Task.FromResult(1).PipeTo(TestActor, success: _ => throw new InvalidOperationException("told to fail"));
        Assert.Equal("told to fail", ExpectMsg<Status.Failure>(Limit).Cause.Message);
    }

    [Fact]
    public void An_actor_cannot_be_made_with_new()
    {
        Assert.Throws<ActorInitializationException>(MakeDirectly);
    }

    private static Echo MakeDirectly()
    {
        Exception? failure = null;
        Echo? made = null;
        var thread = new Thread(() =>
        {
            try
            {
                made = new Echo();
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        return failure is null ? made! : throw failure;
    }

    private sealed class Echo : UntypedActor
    {
        protected override void OnReceive(object message) => Sender.Tell(message);
    }

    private sealed class BadSupervisor : UntypedActor
    {
        protected override SupervisorStrategy SupervisorStrategy() =>
            new OneForOneStrategy(_ => throw new TimeoutException("the decider fails"));

        protected override void OnReceive(object message)
        {
            if (message is "fail")
            {
                Context.ActorOf(Props.Create(() => new Failing())).Tell("now");
            }
            else
            {
                Sender.Tell(message);
            }
        }
    }

    private sealed class Failing : UntypedActor
    {
        protected override void OnReceive(object message) => throw new InvalidOperationException("told to fail");
    }
}

public sealed class BrokenMailbox(Settings settings, Config config)
    : MailboxType(settings, config), IProducesMessageQueue<UnboundedMessageQueue>
{
    public override IMessageQueue Create(IActorRef owner, ActorSystem system) => new Queue();

    private sealed class Queue : IMessageQueue, IUnboundedMessageQueueSemantics
    {
        private readonly UnboundedMessageQueue _inner = new();

        public bool HasMessages => _inner.HasMessages;

        public int Count => _inner.Count;

        public void Enqueue(IActorRef receiver, Envelope envelope) => _inner.Enqueue(receiver, envelope);

        public bool TryDequeue(out Envelope envelope) =>
            _inner.TryDequeue(out envelope) && envelope.Message is "throw"
                ? throw new InvalidOperationException("told to fail")
                : envelope.Message is not null;

        public void CleanUp(IActorRef owner, IMessageQueue deadletters) => _inner.CleanUp(owner, deadletters);
    }
}
