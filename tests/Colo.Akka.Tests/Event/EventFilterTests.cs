using Akka.Actor;
using Akka.Event;
using Akka.TestKit.Xunit2;
using Xunit.Sdk;

namespace Colo.Akka.Tests.Event;

/// <summary>A filter counts what is logged during its action, whichever thread logs it and whenever.</summary>
public sealed class EventFilterTests : TestKit
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public void An_event_is_counted_however_close_it_comes_to_the_beginning_of_the_wait()
    {
        var writer = Sys.ActorOf(Props.Create(() => new Writer()));
        for (var i = 0; i < 3000; i++)
        {
            EventFilter.Info("written").ExpectOne(Limit, () => writer.Tell("written"));
        }
    }

    [Fact]
    public void Events_of_several_kinds_add_up()
    {
        var writer = Sys.ActorOf(Props.Create(() => new Writer()));
        for (var i = 0; i < 500; i++)
        {
            EventFilter.Info("one").And.Info("other").Expect(3, Limit, () =>
            {
                writer.Tell("one");
                writer.Tell("other");
                writer.Tell("one");
            });
        }
    }

    [Fact]
    public void One_event_too_many_fails_the_expectation()
    {
        var log = Logging.GetLogger(Sys, "here");
        Assert.ThrowsAny<XunitException>(() => EventFilter.Info("twice").ExpectOne(Limit, () =>
        {
            log.Info("twice");
            log.Info("twice");
            EventFilter.Info("last").ExpectOne(Limit, () => log.Info("last"));
        }));
    }

    private sealed class Writer : ReceiveActor
    {
        public Writer()
        {
            var log = Context.GetLogger();
            Receive<string>(text => log.Info(text));
        }
    }
}
