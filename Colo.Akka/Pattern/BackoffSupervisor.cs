using Akka.Actor;
using Akka.Actor.Internal;

namespace Akka.Pattern;

/// <summary>
/// Passes everything to its one child and starts that anew with growing pauses: doubled each time from the least to the
/// most, plus a random part, so that many do not come back at the same moment.
/// </summary>
public sealed class BackoffSupervisor : ActorBase
{
    private readonly BackoffOptionsImpl _options;
    private readonly TimeSpan? _autoReset;
    private IActorRef _child;
    private int _restarts;
    private bool _finalStop;
    private bool _restartAfterStop;
    private TimeSpan _windowStart;
    private int _retriesInWindow;

    internal BackoffSupervisor(BackoffOptionsImpl options)
    {
        _options = options;
        _autoReset = options.ManualReset ? null : options.AutoReset ?? options.MinBackoff;
    }

    public static Props Props(BackoffOptions options) => options.Props;

    public static Props Props(
        Props childProps, string childName, TimeSpan minBackoff, TimeSpan maxBackoff, double randomFactor) =>
        Props(childProps, childName, minBackoff, maxBackoff, randomFactor, -1);

    public static Props Props(
        Props childProps, string childName, TimeSpan minBackoff, TimeSpan maxBackoff, double randomFactor,
        int maxNrOfRetries) =>
        Backoff.OnStop(childProps, childName, minBackoff, maxBackoff, randomFactor, maxNrOfRetries).Props;

    public static Props PropsWithSupervisorStrategy(
        Props childProps, string childName, TimeSpan minBackoff, TimeSpan maxBackoff, double randomFactor,
        SupervisorStrategy strategy) =>
        Backoff.OnStop(childProps, childName, minBackoff, maxBackoff, randomFactor, -1)
            .WithSupervisorStrategy((OneForOneStrategy)strategy).Props;

    protected override void PreStart() => StartChild();

    protected override SupervisorStrategy SupervisorStrategy() => _options.RestartImpliesFailure
        ? new OneForOneStrategy(-1, -1, OnChildFailure)
        : _options.Strategy;

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case Terminated terminated when terminated.ActorRef.Equals(_child):
                OnChildStopped();
                break;
            case StartChildNow:
                StartChild();
                break;
            case ResetRestartCount reset:
                if (reset.Current == _restarts)
                {
                    _restarts = 0;
                }

                break;
            case Reset:
                if (_options.ManualReset)
                {
                    _restarts = 0;
                }
                else
                {
                    Unhandled(message);
                }

                break;
            case GetRestartCount:
                Sender.Tell(new RestartCount(_restarts), Self);
                break;
            case GetCurrentChild:
                Sender.Tell(new CurrentChild(_child ?? ActorRefs.Nobody), Self);
                break;
            default:
                PassOn(message);
                break;
        }

        return true;
    }

    private void PassOn(object message)
    {
        if (_child is not null && _child.Equals(Sender))
        {
            Context.Parent.Forward(message);
            return;
        }

        var final = _options.IsFinalStopMessage?.Invoke(message) ?? false;
        _finalStop |= final;
        if (_child is not null)
        {
            _child.Forward(message);
        }
        else if (final)
        {
            Context.Stop(Self);
        }
        else if (_options.ReplyWhileStopped is not null)
        {
            Sender.Tell(_options.ReplyWhileStopped, Self);
        }
        else
        {
            Context.System.DeadLetters.Forward(message);
        }
    }

    /// <summary>OnFailure: what the strategy calls a restart becomes a stop now and a start later.</summary>
    private Directive OnChildFailure(Exception cause)
    {
        var directive = _options.Strategy.Decider.Decide(cause);
        if (directive != Directive.Restart)
        {
            return directive;
        }

        if (!MayRetry())
        {
            return Directive.Stop;
        }

        _restartAfterStop = true;
        return Directive.Stop;
    }

    private void OnChildStopped()
    {
        _child = null;
        if (_finalStop)
        {
            Context.Stop(Self);
            return;
        }

        var again = _options.RestartImpliesFailure ? _restartAfterStop : MayRetry();
        _restartAfterStop = false;
        if (!again)
        {
            Context.Stop(Self);
            return;
        }

        Context.System.Scheduler.ScheduleTellOnce(NextDelay(), Self, StartChildNow.Instance, Self);
        _restarts++;
    }

    private bool MayRetry()
    {
        var max = _options.Strategy.MaxNumberOfRetries;
        if (max < 0)
        {
            return true;
        }

        var window = _options.Strategy.WithinTimeRangeMilliseconds;
        var now = Context.System.Scheduler.MonotonicClock;
        if (window > 0 && (now - _windowStart).TotalMilliseconds > window)
        {
            (_windowStart, _retriesInWindow) = (now, 0);
        }

        // Without a window it is the failures in a row that count, so a reset gives a fresh budget.
        var used = window > 0 ? _retriesInWindow : _restarts;
        _retriesInWindow++;
        return used < max;
    }

    private void StartChild()
    {
        if (_child is not null)
        {
            return;
        }

        _child = Context.Watch(Context.ActorOf(_options.ChildProps, _options.ChildName));
        if (_autoReset is { } quiet)
        {
            Context.System.Scheduler.ScheduleTellOnce(quiet, Self, new ResetRestartCount(_restarts), Self);
        }
    }

    private TimeSpan NextDelay()
    {
        var random = 1.0 + (((ActorSystemImpl)Context.System).NextDouble() * _options.RandomFactor);
        var ticks = _options.MinBackoff.Ticks * Math.Pow(2, Math.Min(_restarts, 30));
        return TimeSpan.FromTicks((long)(Math.Min(_options.MaxBackoff.Ticks, ticks) * random));
    }

    /// <summary>Asks for <see cref="CurrentChild"/>.</summary>
    public sealed class GetCurrentChild
    {
        public static readonly GetCurrentChild Instance = new();

        private GetCurrentChild()
        {
        }
    }

    /// <summary>The child, or Nobody while it is down.</summary>
    public sealed class CurrentChild
    {
        public CurrentChild(IActorRef @ref) => Ref = @ref;

        public IActorRef Ref { get; }
    }

    public sealed class Reset
    {
        public static readonly Reset Instance = new();

        private Reset()
        {
        }
    }

    /// <summary>Asks for <see cref="RestartCount"/>.</summary>
    public sealed class GetRestartCount
    {
        public static readonly GetRestartCount Instance = new();

        private GetRestartCount()
        {
        }
    }

    public sealed class RestartCount
    {
        public RestartCount(int count) => Count = count;

        public int Count { get; }
    }

    private sealed class StartChildNow : Event.IDeadLetterSuppression
    {
        public static readonly StartChildNow Instance = new();
    }

    private sealed record ResetRestartCount(int Current) : Event.IDeadLetterSuppression;
}
