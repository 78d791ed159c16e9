using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;

namespace Akka.TestKit;

/// <summary>
/// A clock that stands until the test moves it. What is due is done inside Advance, in the order of its time.
/// </summary>
public class TestScheduler : IScheduler, IAdvancedScheduler
{
    private readonly Lock _lock = new();
    private readonly PriorityQueue<Item, (long Due, long Order)> _items = new();
    private DateTimeOffset _now;
    private long _order;

    public TestScheduler(Config schedulerConfig, ILoggingAdapter log) => _now = DateTimeOffset.UtcNow;

    public DateTimeOffset Now => _now;

    public TimeSpan MonotonicClock => TimeSpan.FromTicks(_now.UtcTicks);

    public TimeSpan HighResMonotonicClock => MonotonicClock;

    public IAdvancedScheduler Advanced => this;

    public void Advance(TimeSpan offset) => AdvanceTo(_now.Add(offset));

    /// <exception cref="InvalidOperationException">The time lies in the past.</exception>
    public void AdvanceTo(DateTimeOffset when)
    {
        if (when < _now)
        {
            throw new InvalidOperationException($"You can't reverse time: now {_now}, asked for {when}");
        }

        while (TryTake(when, out var item))
        {
            _now = item.Due > _now ? item.Due : _now;
            if (item.Switch is { IsCancellationRequested: true })
            {
                continue;
            }

            item.Run();
            if (item.Interval is { } interval)
            {
                Add(item with { Due = item.Due + interval });
            }
        }

        _now = when;
    }

    public void ScheduleTellOnce(TimeSpan delay, ICanTell receiver, object message, IActorRef sender) =>
        ScheduleTellOnce(delay, receiver, message, sender, null);

    public void ScheduleTellOnce(
        TimeSpan delay, ICanTell receiver, object message, IActorRef sender, ICancelable cancelable) =>
        Add(delay, null, () => receiver.Tell(message, sender), cancelable);

    public void ScheduleTellRepeatedly(
        TimeSpan initialDelay, TimeSpan interval, ICanTell receiver, object message, IActorRef sender) =>
        ScheduleTellRepeatedly(initialDelay, interval, receiver, message, sender, null);

    public void ScheduleTellRepeatedly(
        TimeSpan initialDelay, TimeSpan interval, ICanTell receiver, object message, IActorRef sender,
        ICancelable cancelable) =>
        Add(initialDelay, interval, () => receiver.Tell(message, sender), cancelable);

    public void ScheduleOnce(TimeSpan delay, Action action, ICancelable cancelable) =>
        Add(delay, null, action, cancelable);

    public void ScheduleOnce(TimeSpan delay, Action action) => Add(delay, null, action, null);

    public void ScheduleOnce(TimeSpan delay, IRunnable action, ICancelable cancelable) =>
        Add(delay, null, action.Run, cancelable);

    public void ScheduleOnce(TimeSpan delay, IRunnable action) => Add(delay, null, action.Run, null);

    public void ScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, Action action, ICancelable cancelable) =>
        Add(initialDelay, interval, action, cancelable);

    public void ScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, Action action) =>
        Add(initialDelay, interval, action, null);

    public void ScheduleRepeatedly(
        TimeSpan initialDelay, TimeSpan interval, IRunnable action, ICancelable cancelable) =>
        Add(initialDelay, interval, action.Run, cancelable);

    public void ScheduleRepeatedly(TimeSpan initialDelay, TimeSpan interval, IRunnable action) =>
        Add(initialDelay, interval, action.Run, null);

    private void Add(TimeSpan delay, TimeSpan? interval, Action run, ICancelable cancelable) =>
        Add(new Item(_now + delay, interval, run, cancelable));

    private void Add(Item item)
    {
        lock (_lock)
        {
            _items.Enqueue(item, (item.Due.UtcTicks, _order++));
        }
    }

    private bool TryTake(DateTimeOffset until, out Item item)
    {
        lock (_lock)
        {
            return _items.TryPeek(out item, out _) && item.Due <= until && _items.TryDequeue(out item, out _);
        }
    }

    private sealed record Item(DateTimeOffset Due, TimeSpan? Interval, Action Run, ICancelable Switch);
}
