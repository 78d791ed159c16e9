using Akka.Event;

namespace Akka.Actor.Internal;

/// <summary>A timer's message on its way through the mailbox.</summary>
internal interface ITimerMessage : INoSerializationVerificationNeeded, IDeadLetterSuppression
{
    object Key { get; }

    object Message { get; }

    int Generation { get; }

    TimerScheduler Owner { get; }
}

/// <summary>The timers of one incarnation of an actor.</summary>
internal sealed class TimerScheduler(ActorCell cell) : ITimerScheduler
{
    private readonly Dictionary<object, ActiveTimer> _timers = [];
    private int _generation;

    public IReadOnlyCollection<object> ActiveTimers => _timers.Keys;

    public void StartPeriodicTimer(object key, object msg, TimeSpan interval) =>
        Start(key, msg, interval, interval, cell.Self);

    public void StartPeriodicTimer(object key, object msg, TimeSpan interval, IActorRef sender) =>
        Start(key, msg, interval, interval, sender);

    public void StartPeriodicTimer(object key, object msg, TimeSpan initialDelay, TimeSpan interval) =>
        Start(key, msg, initialDelay, interval, cell.Self);

    public void StartPeriodicTimer(
        object key, object msg, TimeSpan initialDelay, TimeSpan interval, IActorRef sender) =>
        Start(key, msg, initialDelay, interval, sender);

    public void StartSingleTimer(object key, object msg, TimeSpan timeout) => Start(key, msg, timeout, null, cell.Self);

    public void StartSingleTimer(object key, object msg, TimeSpan timeout, IActorRef sender) =>
        Start(key, msg, timeout, null, sender);

    public bool IsTimerActive(object key) => _timers.ContainsKey(key);

    public void Cancel(object key)
    {
        if (_timers.Remove(key, out var timer))
        {
            timer.Switch.Cancel();
        }
    }

    public void CancelAll()
    {
        foreach (var timer in _timers.Values)
        {
            timer.Switch.Cancel();
        }

        _timers.Clear();
    }

    /// <summary>The message to handle, or null for one of a timer that was cancelled or replaced meanwhile.</summary>
    public object Intercept(ITimerMessage arrived)
    {
        if (!ReferenceEquals(arrived.Owner, this) || !_timers.TryGetValue(arrived.Key, out var timer)
            || timer.Generation != arrived.Generation)
        {
            return null;
        }

        if (!timer.Repeats)
        {
            _timers.Remove(arrived.Key);
        }

        return arrived.Message;
    }

    private void Start(object key, object message, TimeSpan delay, TimeSpan? interval, IActorRef sender)
    {
        Cancel(key);
        var generation = ++_generation;
        ITimerMessage payload = message is INotInfluenceReceiveTimeout
            ? new QuietTimerMessage(key, message, generation, this)
            : new TimerMessage(key, message, generation, this);
        var scheduler = cell.SystemImpl.Scheduler;
        var cancelable = new Cancelable(scheduler);
        if (interval is { } period)
        {
            scheduler.ScheduleTellRepeatedly(delay, period, cell.Self, payload, sender, cancelable);
        }
        else
        {
            scheduler.ScheduleTellOnce(delay, cell.Self, payload, sender, cancelable);
        }

        _timers[key] = new ActiveTimer(generation, interval is not null, cancelable);
    }

    private readonly record struct ActiveTimer(int Generation, bool Repeats, ICancelable Switch);

    private sealed record TimerMessage(object Key, object Message, int Generation, TimerScheduler Owner)
        : ITimerMessage
    {
        public override string ToString() => $"TimerMessage(key={Key}, message={Message})";
    }

    private sealed record QuietTimerMessage(object Key, object Message, int Generation, TimerScheduler Owner)
        : ITimerMessage, INotInfluenceReceiveTimeout
    {
        public override string ToString() => $"TimerMessage(key={Key}, message={Message})";
    }
}
