using Akka.Actor;
using Akka.TestKit;
using Akka.TestKit.Configs;

namespace Colo.Akka.Tests.Actor;

public sealed class FsmTests : global::Akka.TestKit.Xunit2.TestKit
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public FsmTests()
        : base(TestConfigs.TestSchedulerConfig)
    {
    }

    public enum Door
    {
        Closed,
        Open,
    }

    private TestScheduler Clock => (TestScheduler)Sys.Scheduler;

    [Fact]
    public void Listeners_hear_the_state_and_each_transition_after_its_handlers()
    {
        var door = NewDoor();
        door.Tell(new FSMBase.SubscribeTransitionCallBack(TestActor));
        ExpectMsg(new FSMBase.CurrentState<Door>(door, Door.Closed), Limit);
        door.Tell("push");
        ExpectMsg("opened for the 1. time", Limit);
        ExpectMsg(new FSMBase.Transition<Door>(door, Door.Closed, Door.Open), Limit);
    }

    [Fact]
    public void A_state_timeout_is_an_event_of_the_state()
    {
        var door = NewDoor();
        door.Tell("push");
        ExpectMsg("opened for the 1. time", Limit);
        AwaitAssert(
            () =>
            {
                Clock.Advance(TimeSpan.FromSeconds(10));
                ExpectMsg("fell shut", TimeSpan.FromSeconds(1));
            },
            Limit);
    }

    [Fact]
    public void Going_to_the_same_state_is_a_transition_and_staying_is_none()
    {
        var door = NewDoor();
        door.Tell(new FSMBase.SubscribeTransitionCallBack(TestActor));
        ExpectMsg<FSMBase.CurrentState<Door>>(Limit);
        door.Tell("knock");
        ExpectMsg("who is there", Limit);
        door.Tell("again");
        ExpectMsg(new FSMBase.Transition<Door>(door, Door.Closed, Door.Closed), Limit);
    }

    [Fact]
    public void A_named_timer_delivers_its_message_and_can_be_cancelled()
    {
        var door = NewDoor();
        door.Tell("ring twice a second");
        ExpectMsg("ok", Limit);
        Clock.Advance(TimeSpan.FromSeconds(0.5));
        ExpectMsg("ring", Limit);
        Clock.Advance(TimeSpan.FromSeconds(0.5));
        ExpectMsg("ring", Limit);
        door.Tell("silence");
        ExpectMsg("ok", Limit);
        Clock.Advance(TimeSpan.FromSeconds(5));
        ExpectNoMsg(100);
    }

    [Fact]
    public void An_event_without_handler_goes_to_WhenUnhandled()
    {
        NewDoor().Tell(42);
        ExpectMsg("unhandled 42 in Closed", Limit);
    }

    [Fact]
    public void Stop_tells_reason_and_state_and_ends_the_actor()
    {
        var door = NewDoor();
        Watch(door);
        door.Tell("demolish");
        ExpectMsg("stopped: Normal in Closed", Limit);
        ExpectTerminated(door, Limit);
    }

    [Fact]
    public void A_stop_from_outside_is_a_shutdown()
    {
        var door = NewDoor();
        door.Tell(new FSMBase.SubscribeTransitionCallBack(TestActor));
        ExpectMsg<FSMBase.CurrentState<Door>>(Limit);
        Sys.Stop(door);
        ExpectMsg("stopped: Shutdown in Closed", Limit);
    }

    [Fact]
    public void A_test_sets_state_data_and_timers_of_a_machine()
    {
        var door = ActorOfAsTestFSMRef<DoorActor, Door, int>(() => new DoorActor(TestActor));
        Assert.Equal((Door.Closed, 0), (door.StateName, door.StateData));
        Assert.False(door.IsStateTimerActive());
        door.SetState(Door.Open, 7);
        ExpectMsg("opened for the 7. time", Limit);
        Assert.Equal((Door.Open, 7), (door.StateName, door.StateData));
        Assert.True(door.IsStateTimerActive());
        door.SetTimer("bell", "ring", TimeSpan.FromSeconds(1));
        Assert.True(door.IsTimerActive("bell"));
        door.CancelTimer("bell");
        Assert.False(door.IsTimerActive("bell"));
        Watch(door);
        door.SetState(Door.Open, 7, null, FSMBase.Normal.Instance);
        ExpectMsg("stopped: Normal in Open", Limit);
        ExpectTerminated(door, Limit);
    }

    private IActorRef NewDoor() => Sys.ActorOf(Props.Create(() => new DoorActor(TestActor)));

    private sealed class DoorActor : FSM<Door, int>
    {
        public DoorActor(IActorRef report)
        {
            StartWith(Door.Closed, 0);
            When(Door.Closed, e => e.FsmEvent switch
            {
                "push" => GoTo(Door.Open).Using(e.StateData + 1),
                "knock" => Stay().Replying("who is there"),
                "again" => GoTo(Door.Closed),
                "demolish" => Stop(),
                _ => null!,
            });
            When(
                Door.Open,
                e =>
                {
                    if (e.FsmEvent is not FSMBase.StateTimeout)
                    {
                        return null!;
                    }

                    report.Tell("fell shut");
                    return GoTo(Door.Closed);
                },
                TimeSpan.FromSeconds(10));
            WhenUnhandled(e =>
            {
                switch (e.FsmEvent)
                {
                    case "ring twice a second":
                        SetTimer("bell", "ring", TimeSpan.FromSeconds(0.5), repeat: true);
                        report.Tell("ok");
                        break;
                    case "silence":
                        CancelTimer("bell");
                        report.Tell("ok");
                        break;
                    case "ring":
                        report.Tell("ring");
                        break;
                    default:
                        report.Tell($"unhandled {e.FsmEvent} in {StateName}");
                        break;
                }

                return Stay();
            });
            OnTransition((from, to) =>
            {
                if (from == Door.Closed && to == Door.Open)
                {
                    report.Tell($"opened for the {NextStateData}. time");
                }
            });
            OnTermination(stop => report.Tell($"stopped: {stop.Reason.GetType().Name} in {stop.TerminatedState}"));
            Initialize();
        }
    }
}
