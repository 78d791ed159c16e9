using Akka.Actor;
using Akka.Event;

namespace Akka.TestKit;

/// <summary>
/// A state machine that runs on the thread of the test, which sees and sets its state, data and timers.
/// </summary>
public class TestFSMRef<TActor, TState, TData> : TestActorRef<TActor>
    where TActor : FSM<TState, TData>
{
    /// <param name="activateLogging">Logs every transition at debug level.</param>
    public TestFSMRef(
        ActorSystem system, Props props, IActorRef supervisor = null, string name = null, bool activateLogging = false)
        : base(system, props, supervisor, name)
    {
        if (activateLogging)
        {
            Cell.UseThreadContext(() => UnderlyingActor.OnTransition(
                (from, to) => Logging.GetLogger(system, this).Debug("transition {0} -> {1}", from, to)));
        }
    }

    public TState StateName => UnderlyingActor.StateName;

    public TData StateData => UnderlyingActor.StateData;

    /// <summary>Makes the transition, with everything that belongs to one.</summary>
    public void SetState(
        TState stateName, TData stateData, TimeSpan? timeout = null, FSMBase.Reason stopReason = null) =>
        Cell.UseThreadContext(() => UnderlyingActor.ForceState(stateName, stateData, timeout, stopReason));

    /// <summary>Makes the transition and keeps the data.</summary>
    public void SetState(TState stateName, TimeSpan? timeout = null) => SetState(stateName, StateData, timeout);

    public void SetStateData(TData stateData, TimeSpan? timeout = null) => SetState(StateName, stateData, timeout);

    public void SetStateTimeout(TimeSpan timeout) => SetState(StateName, StateData, timeout);

    public void SetTimer(string name, object msg, TimeSpan timeout, bool repeat = false) =>
        Cell.UseThreadContext(() => UnderlyingActor.SetTimer(name, msg, timeout, repeat));

    public void CancelTimer(string name) => Cell.UseThreadContext(() => UnderlyingActor.CancelTimer(name));

    public bool IsTimerActive(string name) => UnderlyingActor.IsTimerActive(name);

    public bool IsStateTimerActive() => UnderlyingActor.IsStateTimerRunning;
}
