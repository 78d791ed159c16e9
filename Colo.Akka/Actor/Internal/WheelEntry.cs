using Akka.Dispatch;

namespace Akka.Actor.Internal;

/// <summary>One timer in the wheel: a message or a piece of work.</summary>
internal sealed class WheelEntry(
    HashedWheelTimerScheduler wheel, ICanTell receiver, object message, IActorRef sender, IRunnable work,
    long intervalMilliseconds, ICancelable cancelable) : IScheduledEntry, ICancelable
{
    private bool _cancelled;

    public WheelEntry Next { get; set; }

    public WheelEntry Previous { get; set; }

    public long DueMilliseconds { get; set; }

    public long DueTick { get; set; }

    /// <summary>Of two timers for the same millisecond the one that was started first fires first.</summary>
    public long Order { get; set; }

    public bool IsLinked { get; set; }

    /// <summary>0 for a timer that fires once.</summary>
    public long IntervalMilliseconds => intervalMilliseconds;

    public ICancelable Cancelable => cancelable;

    public bool IsCancellationRequested =>
        Volatile.Read(ref _cancelled) || cancelable is { IsCancellationRequested: true };

    public CancellationToken Token => CancellationToken.None;

    public void Run()
    {
        if (work is not null)
        {
            work.Run();
        }
        else
        {
            receiver.Tell(message, sender);
        }
    }

    public void Remove()
    {
        Volatile.Write(ref _cancelled, true);
        wheel.Remove(this);
    }

    public void Cancel() => Remove();

    public void Cancel(bool throwOnFirstException) => Remove();

    public void CancelAfter(TimeSpan delay) => throw new NotSupportedException();

    public void CancelAfter(int millisecondsDelay) => throw new NotSupportedException();
}
