using Akka.Actor;
using Akka.Pattern;
using Akka.TestKit.Xunit2;

namespace Colo.Akka.Tests.Actor;

public sealed class BackoffTests : TestKit
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(20);

    [Fact]
    public void A_child_that_stops_is_started_again()
    {
        var supervisor = Sys.ActorOf(BackoffSupervisor.Props(
            Backoff.OnStop(Child(), "child", Short, TimeSpan.FromMilliseconds(100), 0.2, 10).WithManualReset()));
        ExpectMsg("up", Limit);
        supervisor.Tell("stop");
        ExpectMsg("up", Limit);
        supervisor.Tell(BackoffSupervisor.GetRestartCount.Instance);
        Assert.Equal(1, ExpectMsg<BackoffSupervisor.RestartCount>(Limit).Count);
    }

    [Fact]
    public void A_child_that_fails_is_started_again_and_after_too_many_failures_all_stops()
    {
        var supervisor = Sys.ActorOf(BackoffSupervisor.Props(
            Backoff.OnFailure(Child(), "child", Short, TimeSpan.FromMilliseconds(50), 0, 1).WithManualReset()));
        Watch(supervisor);
        ExpectMsg("up", Limit);
        EventFilter.Error(start: "").Mute(() =>
        {
            supervisor.Tell("fail");
            ExpectMsg("up", Limit);
            supervisor.Tell("fail");
            ExpectTerminated(supervisor, Limit);
        });
    }

    [Fact]
    public void While_the_child_is_down_messages_get_the_configured_answer()
    {
        var supervisor = Sys.ActorOf(BackoffSupervisor.Props(
            Backoff.OnStop(Child(), "child", TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(20), 0, -1)
                .WithReplyWhileStopped("come back later")));
        ExpectMsg("up", Limit);
        supervisor.Tell(BackoffSupervisor.GetCurrentChild.Instance);
        Watch(ExpectMsg<BackoffSupervisor.CurrentChild>(Limit).Ref);
        supervisor.Tell("stop");
        ExpectMsg<Terminated>(Limit);
        AwaitAssert(
            () =>
            {
                supervisor.Tell("anybody there?");
                ExpectMsg("come back later", TimeSpan.FromSeconds(2));
            },
            Limit);
    }

    private Props Child() => Props.Create(() => new ChildActor(TestActor));

    private sealed class ChildActor(IActorRef report) : UntypedActor
    {
        protected override void PreStart() => report.Tell("up");

        protected override void OnReceive(object message)
        {
            switch (message)
            {
                case "stop":
                    Context.Stop(Self);
                    break;
                case "fail":
                    throw new InvalidOperationException("told to fail");
                default:
                    break;
            }
        }
    }
}
