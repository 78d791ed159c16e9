using Akka.Dispatch;

namespace Akka.Actor.Internal;

/// <summary>
/// The clock of Ask. It is the machine's even when the system's scheduler is one that a test moves by hand, so that an
/// answer that never comes is noticed; in a simulation it is the simulation's.
/// </summary>
internal sealed class AskTimers(ActorSystemImpl system)
{
    private readonly IScheduler _scheduler =
        system.Scheduler is HashedWheelTimerScheduler || system.Hooks is not null ? system.Scheduler : null;

    public ICancelable Start(TimeSpan limit, IRunnable onTimeout)
    {
        if (_scheduler is HashedWheelTimerScheduler wheel)
        {
            return wheel.StartOnce(limit, onTimeout);
        }

        if (_scheduler is not null)
        {
            var cancelable = new Cancelable(_scheduler);
            _scheduler.Advanced.ScheduleOnce(limit, onTimeout, cancelable);
            return cancelable;
        }

        return new MachineTimer(limit, onTimeout);
    }

    private sealed class MachineTimer : ICancelable, IDisposable
    {
        private readonly Timer _timer;

        public MachineTimer(TimeSpan limit, IRunnable onTimeout) =>
            _timer = new Timer(static state => ((IRunnable)state).Run(), onTimeout, limit, Timeout.InfiniteTimeSpan);

        public bool IsCancellationRequested { get; private set; }

        public CancellationToken Token => CancellationToken.None;

        public void Cancel()
        {
            IsCancellationRequested = true;
            Dispose();
        }

        public void Dispose() => _timer.Dispose();

        public void Cancel(bool throwOnFirstException) => Cancel();

        public void CancelAfter(TimeSpan delay) => throw new NotSupportedException();

        public void CancelAfter(int millisecondsDelay) => throw new NotSupportedException();
    }
}
