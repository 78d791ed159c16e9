using Akka.Actor;
using Akka.TestKit.Xunit2;

namespace Colo.Akka.Tests.Actor;

public sealed class SchedulerTests : TestKit
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public void A_message_is_sent_once_and_not_before_its_time()
    {
        var before = Sys.Scheduler.MonotonicClock;
        Sys.Scheduler.ScheduleTellOnce(TimeSpan.FromMilliseconds(60), TestActor, "later", ActorRefs.NoSender);
        ExpectMsg("later", Limit);
        Assert.True(Sys.Scheduler.MonotonicClock - before >= TimeSpan.FromMilliseconds(60));
    }

    [Fact]
    public void A_repeated_message_comes_until_it_is_cancelled()
    {
        var cancelable = Sys.Scheduler.ScheduleTellRepeatedlyCancelable(1, 1, TestActor, "tick", ActorRefs.NoSender);
        ReceiveN(5, Limit);
        cancelable.Cancel();
        Assert.True(cancelable.IsCancellationRequested);
        WaitForRadioSilenceAsync(TimeSpan.FromMilliseconds(100)).Wait(Limit);
        ExpectNoMsg(100);
    }

    [Fact]
    public void A_cancelled_one_shot_does_not_fire()
    {
        var cancelable = new Cancelable(Sys.Scheduler);
        Sys.Scheduler.ScheduleTellOnce(TimeSpan.FromMilliseconds(50), TestActor, "no", ActorRefs.NoSender, cancelable);
        cancelable.Cancel();
        ExpectNoMsg(200);
    }

    [Fact]
    public void An_action_that_throws_does_not_stop_the_clock()
    {
        EventFilter.Error(start: "").Mute(() =>
        {
            Sys.Scheduler.Advanced.ScheduleOnce(1, () => throw new InvalidOperationException("told to fail"));
            Sys.Scheduler.ScheduleTellOnce(30, TestActor, "still running", ActorRefs.NoSender);
            ExpectMsg("still running", Limit);
        });
    }

    [Fact]
    public void A_storm_of_timers_all_fire()
    {
        const int count = 50_000;
        using var all = new CountdownEvent(count);
        Parallel.For(0, count, i => Sys.Scheduler.Advanced.ScheduleOnce(i % 700, () => all.Signal()));
        Assert.True(all.Wait(Limit));
    }

    [Fact]
    public void Times_that_make_no_sense_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(
            () => Sys.Scheduler.ScheduleTellOnce(TimeSpan.FromSeconds(-1), TestActor, "x", ActorRefs.NoSender));
        Assert.Throws<ArgumentOutOfRangeException>(() => Sys.Scheduler.ScheduleTellRepeatedly(
            TimeSpan.Zero, TimeSpan.Zero, TestActor, "x", ActorRefs.NoSender));
    }
}
