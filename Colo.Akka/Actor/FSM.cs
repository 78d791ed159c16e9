using Akka.Event;

namespace Akka.Actor;

/// <summary>
/// An actor as a state machine: for each state a function from event to next state. GoTo is a transition also when it
/// leads to the same state, so listeners hear of it; Stay is none. Without a handler an event goes to WhenUnhandled,
/// and from there to the log.
/// </summary>
public abstract class FSM<TState, TData> : FSMBase
{
    protected bool DebugEvent;

    private readonly Dictionary<TState, (StateFunction Handle, TimeSpan? Timeout)> _states = [];
    private readonly Dictionary<string, FsmTimer> _timers = new(StringComparer.Ordinal);
    private readonly HashSet<IActorRef> _listeners = [];
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private TransitionHandler _transitions = static (_, _) => { };
    private Action<StopEvent<TState, TData>> _termination = static _ => { };
    private StateFunction _unhandled;
    private State<TState, TData> _current;
    private State<TState, TData> _next;
    private ICancelable _stateTimeout;
    private int _timerGeneration;
    private long _generation;

    protected FSM()
    {
        if (this is ILoggingFSM)
        {
            DebugEvent = Context.System.Settings.FsmDebugEvent;
        }
    }

    /// <summary>Returns the next state, or null when it does not know the event.</summary>
    public delegate State<TState, TData> StateFunction(Event<TData> fsmEvent);

    public delegate void TransitionHandler(TState initialState, TState nextState);

    public TState StateName => Current.StateName;

    public TData StateData => Current.StateData;

    /// <summary>The data after the transition; only while a transition is handled.</summary>
    public TData NextStateData => _next is null
        ? throw new InvalidOperationException("NextStateData is only available during OnTransition")
        : _next.StateData;

    private State<TState, TData> Current => _current
        ?? throw new IllegalActorStateException("You must call StartWith before calling Initialize.");

    public void When(TState stateName, StateFunction func, TimeSpan? timeout = null)
    {
        if (_states.TryGetValue(stateName, out var known))
        {
            // A second When for a state adds to the first.
            _states[stateName] = (e => known.Handle(e) ?? func(e), timeout ?? known.Timeout);
        }
        else
        {
            _states[stateName] = (func, timeout);
        }
    }

    public void StartWith(TState stateName, TData stateData, TimeSpan? timeout = null) =>
        _current = new State<TState, TData>(stateName, stateData, timeout);

    /// <summary>Last call of the constructor: begins in the initial state.</summary>
    public void Initialize()
    {
        if (_current is null)
        {
            throw new IllegalActorStateException("You must call StartWith before calling Initialize.");
        }

        MakeTransition(_current);
    }

    public State<TState, TData> GoTo(TState nextStateName) => new(nextStateName, Current.StateData);

    public State<TState, TData> Stay() => GoTo(Current.StateName).WithNotification(false);

    public State<TState, TData> Stop() => Stop(Normal.Instance);

    public State<TState, TData> Stop(Reason reason) => Stop(reason, Current.StateData);

    public State<TState, TData> Stop(Reason reason, TData stateData) => Stay().Using(stateData).WithStopReason(reason);

    public TransformHelper Transform(StateFunction func) => new(func);

    /// <summary>Starts a named timer; one of the same name is replaced, its messages no longer arrive.</summary>
    public void SetTimer(string name, object msg, TimeSpan timeout, bool repeat = false)
    {
        CancelTimer(name);
        var scheduler = Context.System.Scheduler;
        var timer = new FsmTimer(name, msg, repeat, ++_timerGeneration, this, new Cancelable(scheduler));
        if (repeat)
        {
            scheduler.ScheduleTellRepeatedly(timeout, timeout, Self, timer, Self, timer.Switch);
        }
        else
        {
            scheduler.ScheduleTellOnce(timeout, Self, timer, Self, timer.Switch);
        }

        _timers[name] = timer;
    }

    public void CancelTimer(string name)
    {
        if (_timers.Remove(name, out var timer))
        {
            timer.Switch.Cancel();
        }
    }

    public bool IsTimerActive(string name) => _timers.ContainsKey(name);

    public void SetStateTimeout(TState state, TimeSpan? timeout)
    {
        if (_states.TryGetValue(state, out var known))
        {
            _states[state] = (known.Handle, timeout);
        }
    }

    public void OnTransition(TransitionHandler transitionHandler) => _transitions += transitionHandler;

    public void OnTermination(Action<StopEvent<TState, TData>> terminationHandler) => _termination = terminationHandler;

    public void WhenUnhandled(StateFunction stateFunction) => _unhandled = stateFunction;

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case StateTimeoutMarker marker:
                if (marker.Generation == _generation && ReferenceEquals(marker.Owner, this))
                {
                    ProcessMessage(StateTimeout.Instance, "state timeout");
                }

                break;
            case FsmTimer timer:
                HandleTimer(timer);
                break;
            case SubscribeTransitionCallBack subscribe:
                Context.Watch(subscribe.ActorRef);
                _listeners.Add(subscribe.ActorRef);
                subscribe.ActorRef.Tell(new CurrentState<TState>(Self, Current.StateName), Self);
                break;
            case UnsubscribeTransitionCallBack unsubscribe:
                Context.Unwatch(unsubscribe.ActorRef);
                _listeners.Remove(unsubscribe.ActorRef);
                break;
            case Terminated terminated when _listeners.Remove(terminated.ActorRef):
                break;
            default:
                CancelStateTimeout();
                _generation++;
                ProcessMessage(message, Sender);
                break;
        }

        return true;
    }

    protected override void PostStop()
    {
        // An own Stop has already told; this one came from outside.
        Terminate(Stay().WithStopReason(Shutdown.Instance));
        base.PostStop();
    }

    protected virtual void LogTermination(Reason reason)
    {
        if (reason is Failure failure)
        {
            if (failure.Cause is Exception cause)
            {
                _log.Error(cause, "terminating due to Failure");
            }
            else
            {
                _log.Error(failure.Cause?.ToString() ?? "terminating due to Failure");
            }
        }
    }

    private void HandleTimer(FsmTimer timer)
    {
        if (!ReferenceEquals(timer.Owner, this) || !_timers.TryGetValue(timer.Name, out var known)
            || known.Generation != timer.Generation)
        {
            return;
        }

        CancelStateTimeout();
        _generation++;
        if (!timer.Repeat)
        {
            _timers.Remove(timer.Name);
        }

        ProcessMessage(timer.Message, timer);
    }

    private void ProcessMessage(object message, object source)
    {
        var fsmEvent = new Event<TData>(message, Current.StateData);
        if (DebugEvent)
        {
            _log.Debug("processing {0} from {1} in state {2}", fsmEvent, source, Current.StateName);
        }

        var handled = _states.TryGetValue(Current.StateName, out var state) ? state.Handle(fsmEvent) : null;
        handled ??= _unhandled?.Invoke(fsmEvent);
        ApplyState(handled ?? Unknown(fsmEvent));
    }

    private State<TState, TData> Unknown(Event<TData> fsmEvent)
    {
        _log.Warning("unhandled event {0} in state {1}", fsmEvent.FsmEvent, Current.StateName);
        return Stay();
    }

    /// <summary>For the test kit, which sets states from outside.</summary>
    internal void ForceState(TState name, TData data, TimeSpan? timeout, Reason stopReason)
    {
        State<TState, TData> next = new(name, data, timeout, stopReason);
        ApplyState(next);
    }

    internal bool IsStateTimerRunning => _stateTimeout is { IsCancellationRequested: false };

    private void ApplyState(State<TState, TData> next)
    {
        if (next.StopReason is null)
        {
            MakeTransition(next);
            return;
        }

        foreach (var reply in next.Replies.Reverse())
        {
            Sender.Tell(reply, Self);
        }

        Terminate(next);
        Context.Stop(Self);
    }

    private void MakeTransition(State<TState, TData> next)
    {
        if (!_states.TryGetValue(next.StateName, out var state))
        {
            Terminate(Stay().WithStopReason(new Failure($"Next state {next.StateName} does not exist")));
            Context.Stop(Self);
            return;
        }

        foreach (var reply in next.Replies.Reverse())
        {
            Sender.Tell(reply, Self);
        }

        if (!ReferenceEquals(_current, next)
            && (!EqualityComparer<TState>.Default.Equals(_current.StateName, next.StateName) || next.Notifies))
        {
            _next = next;
            if (DebugEvent)
            {
                _log.Debug("transition {0} -> {1}", _current.StateName, next.StateName);
            }

            _transitions(_current.StateName, next.StateName);
            foreach (var listener in _listeners)
            {
                listener.Tell(new Transition<TState>(Self, _current.StateName, next.StateName), Self);
            }

            _next = null;
        }

        _current = next;
        StartStateTimeout(next.Timeout ?? state.Timeout);
    }

    private void StartStateTimeout(TimeSpan? timeout)
    {
        CancelStateTimeout();
        if (timeout is not { } limit || limit <= TimeSpan.Zero || limit.TotalMilliseconds > int.MaxValue)
        {
            return;
        }

        var scheduler = Context.System.Scheduler;
        _stateTimeout = new Cancelable(scheduler);
        scheduler.ScheduleTellOnce(limit, Self, new StateTimeoutMarker(_generation, this), Self, _stateTimeout);
    }

    private void CancelStateTimeout()
    {
        _stateTimeout?.Cancel();
        _stateTimeout = null;
    }

    private void Terminate(State<TState, TData> last)
    {
        if (_current is null or { StopReason: not null })
        {
            return;
        }

        foreach (var timer in _timers.Values)
        {
            timer.Switch.Cancel();
        }

        _timers.Clear();
        CancelStateTimeout();
        LogTermination(last.StopReason);
        _current = last;
        _termination(new StopEvent<TState, TData>(last.StopReason, last.StateName, last.StateData));
    }

    /// <summary>Wraps a state function.</summary>
    public sealed class TransformHelper
    {
        public TransformHelper(StateFunction func) => Func = func;

        public StateFunction Func { get; }

        public StateFunction Using(Func<State<TState, TData>, State<TState, TData>> andThen) =>
            fsmEvent => Func(fsmEvent) is { } next ? andThen(next) : null;
    }

    private sealed record StateTimeoutMarker(long Generation, object Owner)
        : INoSerializationVerificationNeeded, IDeadLetterSuppression;

    private sealed record FsmTimer(
        string Name, object Message, bool Repeat, int Generation, object Owner, Cancelable Switch)
        : INoSerializationVerificationNeeded, IDeadLetterSuppression
    {
        public override string ToString() => $"timer '{Name}'";
    }
}
