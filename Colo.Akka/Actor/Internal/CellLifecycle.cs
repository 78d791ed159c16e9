using Akka.Dispatch.SysMsg;
using Akka.Event;

namespace Akka.Actor.Internal;

/// <summary>
/// Creation, failure, restart and stop of one actor.
///
/// Failed: the mailbox holds user messages back, children are suspended, the parent has been told. Then Resume,
/// Recreate or Terminate comes from the parent. Recreate and Terminate wait until the children that are stopping have
/// stopped; meanwhile other lifecycle messages are set aside.
/// </summary>
internal sealed class CellLifecycle(ActorCell cell)
{
    private List<ISystemMessage> _setAside;
    private IActorRef _perpetrator;

    public bool IsFailed => _perpetrator is not null;

    private WaitReason Waiting => cell.ChildrenOrNull?.Waiting ?? WaitReason.None;

    public void Handle(ISystemMessage message)
    {
        if (MustWait(message))
        {
            (_setAside ??= []).Add(message);
            return;
        }

        HandleNow(message);
        while (_setAside is { Count: > 0 } && !MustWait(_setAside[0]) && !cell.IsTerminated)
        {
            var next = _setAside[0];
            _setAside.RemoveAt(0);
            HandleNow(next);
        }
    }

    /// <summary>Stops handling messages and tells the parent. Never throws.</summary>
    public void HandleInvokeFailure(Exception cause)
    {
        try
        {
            if (IsFailed)
            {
                return;
            }

            var perpetrator = cell.CurrentMessage is Failed failed ? failed.Child : cell.Self;
            _perpetrator = perpetrator;
            cell.Mailbox.Suspend();
            foreach (var child in cell.GetChildren())
            {
                if (!child.Equals(perpetrator))
                {
                    child.Suspend();
                }
            }

            cell.Parent.SendSystemMessage(new Failed(cell.Self, cause, cell.Self.Path.Uid));
        }
        catch (Exception e)
        {
            cell.Publish(new Error(
                e, cell.Self.Path.ToString(), cell.ActorType,
                $"Emergency stop: exception in failure handling for {cause.GetType()}: {cause.Message}"));
            foreach (var child in cell.GetChildren())
            {
                child.Stop();
            }

            FinishTerminate();
        }
    }

    private bool MustWait(ISystemMessage message) => message switch
    {
        Failed => Waiting is WaitReason.Recreation or WaitReason.Creation || cell.Mailbox.IsSuspended,
        Create or Recreate or Suspend or Resume => Waiting is WaitReason.Recreation or WaitReason.Creation,
        _ => false,
    };

    private void HandleNow(ISystemMessage message)
    {
        switch (message)
        {
            case Create create:
                CreateActor(create.Failure);
                break;
            case Watch watch:
                cell.AddWatcher(watch);
                break;
            case Unwatch unwatch:
                cell.RemoveWatcher(unwatch);
                break;
            case DeathWatchNotification death:
                Died(death);
                break;
            case Failed failed:
                HandleFailed(failed);
                break;
            case Recreate recreate:
                RecreateActor(recreate.Cause);
                break;
            case Suspend:
                cell.Mailbox.Suspend();
                SuspendChildren();
                break;
            case Resume resume:
                ResumeActor(resume.CausedByFailure);
                break;
            case Terminate:
                TerminateActor();
                break;
            case Supervise supervise:
                SuperviseChild((IInternalActorRef)supervise.Child);
                break;
            case ActorTask task:
                task.Scheduler.Execute(task.Task);
                break;
            case ActorTaskDone done:
                HandleTaskDone(done);
                break;
            default:
                throw new NotSupportedException($"Unknown system message {message.GetType()}");
        }
    }

    private void CreateActor(ActorInitializationException failure)
    {
        if (failure is not null)
        {
            throw failure;
        }

        try
        {
            cell.Actor = cell.NewActor();
            cell.Actor.AroundPreStart();
            cell.CheckReceiveTimeout();
            DebugLifecycle("Started (" + cell.Actor + ")");
        }
        catch (Exception e)
        {
            if (cell.Actor is not null)
            {
                cell.ReleaseActor(cell.Actor);
                cell.Actor = null;
            }

            throw new ActorInitializationException(
                cell.Self, $"Exception during creation: {e.Message}", e);
        }
    }

    private void RecreateActor(Exception cause)
    {
        if (cell.Actor is null)
        {
            // It never came to life: the restart is a second first start.
            RestartCreation();
            return;
        }

        if (Waiting != WaitReason.None)
        {
            // Already on its way; only the suspension of this message has to be undone.
            ResumeActor(null);
            return;
        }

        var failedActor = cell.Actor;
        DebugLifecycle("Restarting");
        var optionalMessage = cell.CurrentMessage;
        try
        {
            failedActor.AroundPreRestart(cause, optionalMessage);
        }
        catch (Exception e)
        {
            var wrapped = new PreRestartException(cell.Self, e, cause, optionalMessage);
            cell.Publish(new Error(wrapped, cell.Self.Path.ToString(), failedActor.GetType(), e.Message));
        }
        finally
        {
            (failedActor as IActorStash)?.Stash?.UnstashAll();
            cell.ReleaseActor(failedActor);
            cell.ForgetTaskScheduler();
        }

        if (cell.ChildrenOrNull is null || !cell.ChildrenOrNull.WaitFor(WaitReason.Recreation, cause))
        {
            FinishRecreate(cause);
        }
    }

    private void FinishRecreate(Exception cause)
    {
        var survivors = cell.GetChildren().ToArray();
        try
        {
            cell.Mailbox.Resume();
            _perpetrator = null;
            cell.SetReceiveTimeout(null);
            cell.Actor = null;
            cell.SetCurrent(null, null);
            var fresh = cell.NewActor();
            cell.Actor = fresh;
            fresh.AroundPostRestart(cause, null);
            cell.CheckReceiveTimeout();
            DebugLifecycle("Restarted (" + fresh + ")");
        }
        catch (Exception e)
        {
            HandleInvokeFailure(new PostRestartException(cell.Self, e, cause));
            return;
        }

        foreach (var child in survivors)
        {
            child.Restart(cause);
        }
    }

    /// <summary>Creation failed and the parent said restart: without children left from the first try.</summary>
    private void RestartCreation()
    {
        foreach (var child in cell.GetChildren().ToArray())
        {
            cell.Stop(child);
        }

        if (cell.ChildrenOrNull is null || !cell.ChildrenOrNull.WaitFor(WaitReason.Creation))
        {
            FinishCreate();
        }
    }

    private void FinishCreate()
    {
        cell.Mailbox.Resume();
        _perpetrator = null;
        CreateActor(null);
    }

    private void ResumeActor(Exception causedByFailure)
    {
        if (cell.Actor is null)
        {
            RestartCreation();
            return;
        }

        var perpetrator = _perpetrator;
        cell.Mailbox.Resume();
        if (causedByFailure is not null)
        {
            _perpetrator = null;
            cell.SetCurrent(null, null);
        }

        foreach (var child in cell.GetChildren())
        {
            // Only the child whose failure was escalated clears its failed state with the resume.
            child.Resume(child.Equals(perpetrator) ? causedByFailure : null);
        }
    }

    private void SuspendChildren()
    {
        foreach (var child in cell.GetChildren())
        {
            child.Suspend();
        }
    }

    private void TerminateActor()
    {
        cell.SetReceiveTimeout(null);
        cell.WatchOrNull?.UnwatchAll();
        foreach (var child in cell.GetChildren().ToArray())
        {
            cell.Stop(child);
        }

        if (cell.ChildrenOrNull is null || !cell.ChildrenOrNull.WaitFor(WaitReason.Termination))
        {
            FinishTerminate();
            return;
        }

        if (!cell.IsTerminating)
        {
            cell.IsTerminating = true;

            // No user message while the children stop, and no failure to the supervisor either.
            cell.Mailbox.Suspend();
            _perpetrator = cell.Self;
            DebugLifecycle("Stopping");
        }
    }

    private void FinishTerminate()
    {
        var actor = cell.Actor;
        cell.IsTerminating = true;
        try
        {
            actor?.AroundPostStop();
        }
        catch (Exception e)
        {
            cell.Publish(new Error(e, cell.Self.Path.ToString(), actor!.GetType(), e.Message));
        }

        (actor as IActorStash)?.Stash?.UnstashAll();
        cell.Dispatcher.Detach(cell);
        cell.Parent.SendSystemMessage(new DeathWatchNotification(cell.Self, true, false));
        var watch = cell.WatchOrNull;
        watch?.TellWatchersWeDied();
        watch?.UnwatchAll();
        DebugLifecycle("Stopped");
        cell.ReleaseActor(actor);
        cell.ClearCell();
        _setAside = null;
    }

    private void Died(DeathWatchNotification death)
    {
        cell.WatchOrNull?.Died(death.Actor, death.ExistenceConfirmed, death.AddressTerminated);
        if (!cell.TryGetChildStatsByRef(death.Actor, out _))
        {
            return;
        }

        var complete = cell.ChildrenOrNull.Remove(death.Actor, out var reason, out var cause);
        try
        {
            cell.Strategy.HandleChildTerminated(cell, death.Actor, cell.ChildrenWhenAsked());
        }
        catch (Exception e)
        {
            cell.Publish(new Error(
                e, cell.Self.Path.ToString(), cell.ActorType, "HandleChildTerminated failed: " + e.Message));
            HandleInvokeFailure(e);
        }

        if (complete)
        {
            Continue(reason, cause);
        }
    }

    private void Continue(WaitReason reason, Exception cause)
    {
        switch (reason)
        {
            case WaitReason.Recreation:
                FinishRecreate(cause);
                break;
            case WaitReason.Creation:
                FinishCreate();
                break;
            case WaitReason.Termination:
                FinishTerminate();
                break;
            case WaitReason.None:
            default:
                break;
        }
    }

    private void HandleFailed(Failed failed)
    {
        cell.SetCurrent(failed, failed.Child);
        if (!cell.TryGetChildStatsByRef(failed.Child, out var stats))
        {
            Debug($"dropping {failed} from unknown child");
        }
        else if (stats.Uid != failed.Uid)
        {
            Debug($"dropping {failed} from old child (uid={stats.Uid} != {failed.Uid})");
        }
        else if (!cell.Strategy.HandleFailure(cell, failed.Child, failed.Cause, stats, cell.ChildrenOrNull.Snapshot()))
        {
            throw failed.Cause;
        }

        cell.SetCurrent(null, null);
    }

    private void SuperviseChild(IInternalActorRef child)
    {
        if (!cell.IsTerminating)
        {
            cell.InitChild(child);
        }
    }

    private void HandleTaskDone(ActorTaskDone done)
    {
        if (done.Scheduler is not null && !cell.IsCurrent(done.Scheduler))
        {
            if (done.Failure is not null)
            {
                cell.Publish(new Error(
                    done.Failure, cell.Self.Path.ToString(), cell.ActorType,
                    "An async handler that began before the last restart failed: " + done.Failure.Message));
            }

            return;
        }

        var message = done.Scheduler?.CurrentMessage;
        done.Scheduler?.Finish();
        if (done.Failure is not null)
        {
            cell.SetCurrent(message, cell.Sender);
            HandleInvokeFailure(done.Failure);
        }
        else
        {
            cell.SetCurrent(null, null);
            cell.CheckReceiveTimeout();
        }
    }

    private void Debug(string text) => cell.Publish(new Debug(cell.Self.Path.ToString(), cell.ActorType, text));

    private void DebugLifecycle(string text)
    {
        if (cell.SystemImpl.Settings.DebugLifecycle)
        {
            Debug(text);
        }
    }
}
