using Akka.Actor;
using Akka.TestKit.Xunit2;

namespace Colo.Akka.Tests.EmbeddedOnly;

public sealed class MailboxGrowthTests : TestKit
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    private sealed class Stuck : ReceiveActor
    {
        private int _seen;

        public Stuck(ManualResetEventSlim go, int count, IActorRef probe) => ReceiveAny(_ =>
        {
            go.Wait();
            if (++_seen == count)
            {
                probe.Tell("all");
            }
        });
    }

    [Fact]
    public void A_mailbox_that_grows_without_end_is_named_in_a_warning_and_loses_nothing()
    {
        const int count = 230_000;
        using var go = new ManualResetEventSlim();
        var stuck = Sys.ActorOf(Props.Create(() => new Stuck(go, count, TestActor)), "stuck");
        EventFilter.Warning(contains: "has no bound", source: stuck.Path.ToString()).Expect(1, Hang, () =>
        {
            for (var i = 0; i < count; i++)
            {
                stuck.Tell(i);
            }
        });

        go.Set();
        ExpectMsg("all", Hang);
    }
}
