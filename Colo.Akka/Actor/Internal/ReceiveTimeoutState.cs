namespace Akka.Actor.Internal;

/// <summary>The running receive timeout of one actor.</summary>
internal sealed class ReceiveTimeoutState(TimeSpan timeout)
{
    private ICancelable _running;

    public TimeSpan Timeout => timeout;

    public bool IsRunning => _running is not null;

    public void Start(IScheduler scheduler, IActorRef self)
    {
        Cancel();
        _running = new Cancelable(scheduler);
        scheduler.ScheduleTellOnce(timeout, self, ReceiveTimeout.Instance, self, _running);
    }

    public void Cancel()
    {
        _running?.Cancel();
        _running = null;
    }
}
