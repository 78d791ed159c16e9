using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;

namespace Akka.Actor.Internal;

/// <summary>A scheduler over one way to have something called later: what <see cref="RuntimeHooks"/> need when time is
/// not the machine's. Work that repeats is ordered for the next time before it is done.</summary>
internal abstract class CallbackScheduler(ILoggingAdapter log) : SchedulerBase(Config.Empty, log)
{
    public override TimeSpan HighResMonotonicClock => MonotonicClock;

    /// <summary>Calls <paramref name="action"/> once that time has passed; in the order of the calls for equal
    /// times.</summary>
    protected abstract void After(TimeSpan delay, Action action);

    protected override void InternalScheduleTellOnce(
        TimeSpan delay, ICanTell receiver, object message, IActorRef sender, ICancelable cancelable) =>
        Once(delay, () => receiver.Tell(message, sender), cancelable);

    protected override void InternalScheduleTellRepeatedly(
        TimeSpan initialDelay, TimeSpan interval, ICanTell receiver, object message, IActorRef sender,
        ICancelable cancelable) =>
        Repeatedly(initialDelay, interval, () => receiver.Tell(message, sender), cancelable);

    protected override void InternalScheduleOnce(TimeSpan delay, Action action, ICancelable cancelable) =>
        Once(delay, action, cancelable);

    protected override void InternalScheduleOnce(TimeSpan delay, IRunnable action, ICancelable cancelable) =>
        Once(delay, action.Run, cancelable);

    protected override void InternalScheduleRepeatedly(
        TimeSpan initialDelay, TimeSpan interval, Action action, ICancelable cancelable) =>
        Repeatedly(initialDelay, interval, action, cancelable);

    protected override void InternalScheduleRepeatedly(
        TimeSpan initialDelay, TimeSpan interval, IRunnable action, ICancelable cancelable) =>
        Repeatedly(initialDelay, interval, action.Run, cancelable);

    private void Once(TimeSpan delay, Action action, ICancelable cancelable) => After(delay, () =>
    {
        if (cancelable is not { IsCancellationRequested: true })
        {
            action();
        }
    });

    private void Repeatedly(TimeSpan delay, TimeSpan interval, Action action, ICancelable cancelable) =>
        After(delay, () =>
        {
            if (cancelable is not { IsCancellationRequested: true })
            {
                Repeatedly(interval, interval, action, cancelable);
                action();
            }
        });
}
