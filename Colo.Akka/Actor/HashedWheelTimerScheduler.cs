using System.Diagnostics;
using Akka.Actor.Internal;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;

namespace Akka.Actor;

/// <summary>
/// The default scheduler: a wheel of buckets, each one tick wide. Starting and cancelling are one step whatever the
/// number of timers. A timer fires on the first tick at or after its time, on the scheduler's thread, which starts
/// with the first timer and sleeps while no bucket has anything due.
/// </summary>
public class HashedWheelTimerScheduler : SchedulerBase, IDateTimeOffsetNowTimeProvider, IDisposable
{
    private readonly object _gate = new();
    private readonly WheelEntry[] _buckets;
    private readonly int _mask;
    private readonly long _tickMilliseconds;
    private readonly TimeSpan _shutdownTimeout;
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private Thread _thread;
    private long _tick;
    private long _wakeAt;
    private long _order;
    private int _count;
    private bool _stopped;

    public HashedWheelTimerScheduler(Config scheduler, ILoggingAdapter log)
        : base(scheduler, log)
    {
        var buckets = scheduler.GetInt("akka.scheduler.ticks-per-wheel", 512);
        if (buckets is < 1 or > 1 << 24)
        {
            throw new ConfigurationException(
                $"akka.scheduler.ticks-per-wheel is {buckets}, expected a number from 1 to {1 << 24}");
        }

        var tick = scheduler.GetTimeSpan("akka.scheduler.tick-duration", TimeSpan.FromMilliseconds(10));
        _tickMilliseconds = Math.Max(1, (long)tick.TotalMilliseconds);
        _shutdownTimeout = scheduler.GetTimeSpan("akka.scheduler.shutdown-timeout", TimeSpan.FromSeconds(5));
        _buckets = new WheelEntry[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)buckets)];
        _mask = _buckets.Length - 1;
    }

    public override TimeSpan MonotonicClock => Akka.Util.MonotonicClock.Elapsed;

    public override TimeSpan HighResMonotonicClock => Akka.Util.MonotonicClock.Elapsed;

    protected override DateTimeOffset TimeNow => DateTimeOffset.Now;

    /// <summary>How many timers are waiting.</summary>
    internal int WaitingCount
    {
        get
        {
            lock (_gate)
            {
                return _count;
            }
        }
    }

    public void Dispose()
    {
        Thread thread;
        lock (_gate)
        {
            _stopped = true;
            Monitor.PulseAll(_gate);
            thread = _thread;
        }

        if (thread is not null && thread != Thread.CurrentThread)
        {
            thread.Join(_shutdownTimeout);
        }

        Array.Clear(_buckets);
        GC.SuppressFinalize(this);
    }

    /// <summary>For the engine's own one-shot timers: the entry is its own switch.</summary>
    internal ICancelable StartOnce(TimeSpan delay, IRunnable work) =>
        Add(new WheelEntry(this, null, null, null, work, 0, null), delay);

    internal void Remove(WheelEntry entry)
    {
        lock (_gate)
        {
            Unlink(entry);
        }
    }

    protected override void InternalScheduleTellOnce(
        TimeSpan delay, ICanTell receiver, object message, IActorRef sender, ICancelable cancelable) =>
        Add(new WheelEntry(this, receiver, message, sender, null, 0, cancelable), delay);

    protected override void InternalScheduleTellRepeatedly(
        TimeSpan initialDelay, TimeSpan interval, ICanTell receiver, object message, IActorRef sender,
        ICancelable cancelable) =>
        Add(new WheelEntry(this, receiver, message, sender, null, Milliseconds(interval), cancelable), initialDelay);

    protected override void InternalScheduleOnce(TimeSpan delay, Action action, ICancelable cancelable) =>
        InternalScheduleOnce(delay, new ActionRunnable(action), cancelable);

    protected override void InternalScheduleOnce(TimeSpan delay, IRunnable action, ICancelable cancelable) =>
        Add(new WheelEntry(this, null, null, null, action, 0, cancelable), delay);

    protected override void InternalScheduleRepeatedly(
        TimeSpan initialDelay, TimeSpan interval, Action action, ICancelable cancelable) =>
        InternalScheduleRepeatedly(initialDelay, interval, new ActionRunnable(action), cancelable);

    protected override void InternalScheduleRepeatedly(
        TimeSpan initialDelay, TimeSpan interval, IRunnable action, ICancelable cancelable) =>
        Add(new WheelEntry(this, null, null, null, action, Milliseconds(interval), cancelable), initialDelay);

    private static long Milliseconds(TimeSpan time) => Math.Max(1, (long)Math.Ceiling(time.TotalMilliseconds));

    private WheelEntry Add(WheelEntry entry, TimeSpan delay)
    {
        if (entry.Cancelable is { IsCancellationRequested: true })
        {
            return entry;
        }

        if (entry.Cancelable is Cancelable known && !known.Attach(entry))
        {
            return entry;
        }

        lock (_gate)
        {
            if (_stopped)
            {
                throw new SchedulerException("cannot enqueue after timer shutdown");
            }

            entry.Order = _order++;
            entry.DueMilliseconds = _clock.ElapsedMilliseconds + (long)Math.Ceiling(delay.TotalMilliseconds);
            Link(entry);
            if (_thread is null)
            {
                _thread = new Thread(Loop) { IsBackground = true, Name = "akka-scheduler" };
                _thread.UnsafeStart();
            }
            else if (entry.DueMilliseconds < _wakeAt)
            {
                Monitor.Pulse(_gate);
            }
        }

        return entry;
    }

    private void Link(WheelEntry entry)
    {
        // The tick that is over at the due time; never one that has already been looked at.
        entry.DueTick = Math.Max(entry.DueMilliseconds / _tickMilliseconds, _tick);
        ref var first = ref _buckets[entry.DueTick & _mask];
        entry.Next = first;
        entry.Previous = null;
        if (first is not null)
        {
            first.Previous = entry;
        }

        first = entry;
        entry.IsLinked = true;
        _count++;
    }

    private void Unlink(WheelEntry entry)
    {
        if (!entry.IsLinked)
        {
            return;
        }

        entry.IsLinked = false;
        _count--;
        if (entry.Previous is null)
        {
            _buckets[entry.DueTick & _mask] = entry.Next;
        }
        else
        {
            entry.Previous.Next = entry.Next;
        }

        if (entry.Next is not null)
        {
            entry.Next.Previous = entry.Previous;
        }

        entry.Next = entry.Previous = null;
    }

    private void Loop()
    {
        var due = new List<WheelEntry>();
        while (true)
        {
            lock (_gate)
            {
                if (!WaitForWork())
                {
                    return;
                }

                CollectDue(due);
            }

            due.Sort(static (a, b) => (a.DueMilliseconds, a.Order).CompareTo((b.DueMilliseconds, b.Order)));
            foreach (var entry in due)
            {
                Fire(entry);
            }

            due.Clear();
        }
    }

    /// <summary>Sleeps until a bucket may be due. False at shutdown.</summary>
    private bool WaitForWork()
    {
        while (!_stopped)
        {
            var now = _clock.ElapsedMilliseconds;
            if (_count == 0)
            {
                _tick = now / _tickMilliseconds;
                _wakeAt = long.MaxValue;
                Monitor.Wait(_gate);
                continue;
            }

            // A tick is looked at when it is over.
            var ready = ((NextBusyTick() + 1) * _tickMilliseconds) - now;
            if (ready <= 0)
            {
                return true;
            }

            _wakeAt = now + ready;
            Monitor.Wait(_gate, (int)Math.Min(ready, int.MaxValue));
        }

        return false;
    }

    private long NextBusyTick()
    {
        for (var i = 0; i < _buckets.Length; i++)
        {
            if (_buckets[(_tick + i) & _mask] is not null)
            {
                return _tick + i;
            }
        }

        return _tick + _buckets.Length - 1;
    }

    private void CollectDue(List<WheelEntry> due)
    {
        var currentTick = _clock.ElapsedMilliseconds / _tickMilliseconds;

        // After a long pause of the process every bucket is visited once, not every missed tick.
        var from = Math.Max(_tick, currentTick - _buckets.Length);
        for (var tick = from; tick < currentTick; tick++)
        {
            for (var entry = _buckets[tick & _mask]; entry is not null;)
            {
                var next = entry.Next;
                if (entry.DueTick < currentTick)
                {
                    Unlink(entry);
                    due.Add(entry);
                }

                entry = next;
            }
        }

        _tick = currentTick;
    }

    private void Fire(WheelEntry entry)
    {
        if (entry.IsCancellationRequested)
        {
            return;
        }

        if (entry.IntervalMilliseconds == 0)
        {
            (entry.Cancelable as Cancelable)?.Detach(entry);
        }

        try
        {
            entry.Run();
        }
        catch (Exception e)
        {
            Log.Error(e, "Error while executing scheduled task: {0}", e.Message);
        }

        if (entry.IntervalMilliseconds == 0)
        {
            return;
        }

        lock (_gate)
        {
            if (!_stopped && !entry.IsCancellationRequested)
            {
                // From the time it was due, so that it keeps its rate; but what was missed in a pause is not made up.
                var next = entry.DueMilliseconds + entry.IntervalMilliseconds;
                entry.DueMilliseconds = Math.Max(next, _clock.ElapsedMilliseconds);
                Link(entry);
            }
        }
    }
}
