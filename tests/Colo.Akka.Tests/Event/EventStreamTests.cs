using Akka.Actor;
using Akka.Event;
using Akka.TestKit.Xunit2;

namespace Colo.Akka.Tests.Event;

public sealed class EventStreamTests : TestKit
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private interface IThing;

    [Fact]
    public void A_subscriber_gets_the_type_its_subtypes_and_what_implements_it()
    {
        Sys.EventStream.Subscribe(TestActor, typeof(IThing));
        Sys.EventStream.Publish(new Thing(1));
        Sys.EventStream.Publish("not a thing");
        Sys.EventStream.Publish(new SpecialThing(2));
        ExpectMsg(new Thing(1), Limit);
        ExpectMsg(new SpecialThing(2), Limit);
        ExpectNoMsg(100);
    }

    [Fact]
    public void Subscribing_twice_delivers_once_and_unsubscribing_ends_it()
    {
        Assert.True(Sys.EventStream.Subscribe<Thing>(TestActor));
        Assert.False(Sys.EventStream.Subscribe<Thing>(TestActor));
        Sys.EventStream.Publish(new Thing(1));
        ExpectMsg(new Thing(1), Limit);
        Assert.True(Sys.EventStream.Unsubscribe<Thing>(TestActor));
        Sys.EventStream.Publish(new Thing(2));
        ExpectNoMsg(100);
    }

    [Fact]
    public void A_message_to_a_stopped_actor_is_a_dead_letter_that_names_both_ends()
    {
        var actor = Sys.ActorOf(Props.Create(() => new Silent()));
        Watch(actor);
        Sys.Stop(actor);
        ExpectTerminated(actor, Limit);
        Sys.EventStream.Subscribe(TestActor, typeof(DeadLetter));
        actor.Tell("too late");
        var dead = ExpectMsg<DeadLetter>(Limit);
        Assert.Equal("too late", dead.Message);
        Assert.Equal(TestActor, dead.Sender);
        Assert.Equal(actor, dead.Recipient);
    }

    [Fact]
    public void A_message_marked_for_it_makes_no_dead_letter()
    {
        Sys.EventStream.Subscribe(TestActor, typeof(AllDeadLetters));
        Sys.DeadLetters.Tell(PoisonPill.Instance, ActorRefs.NoSender);
        ExpectMsg<SuppressedDeadLetter>(Limit);
    }

    [Fact]
    public void Log_events_reach_the_loggers_with_level_source_and_text()
    {
        var log = Logging.GetLogger(Sys, "here");
        EventFilter.Custom<Info>(e => e.ToString().Contains("1 and two") && e.LogSource.StartsWith("here", StringComparison.Ordinal))
            .ExpectOne(Limit, () => log.Info("{0} and {1}", 1, "two"));
        EventFilter.Warning(contains: "careful").ExpectOne(Limit, () => log.Warning("be careful"));
        EventFilter.Exception<InvalidOperationException>("broken").ExpectOne(
            Limit, () => log.Error(new InvalidOperationException("inner text"), "broken"));
        Assert.False(log.IsDebugEnabled);
    }

    [Fact]
    public void A_format_that_does_not_fit_its_arguments_is_logged_and_hurts_nobody()
    {
        var log = Logging.GetLogger(Sys, "here");
        EventFilter.Info(contains: "{5}").ExpectOne(Limit, () => log.Info("value {5}", 1));
    }

    private sealed record Thing(int Number) : IThing;

    private sealed record SpecialThing(int Number) : IThing;

    private sealed class Silent : UntypedActor
    {
        protected override void OnReceive(object message)
        {
        }
    }
}
