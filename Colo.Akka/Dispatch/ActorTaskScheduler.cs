using Akka.Actor;
using Akka.Dispatch.SysMsg;

namespace Akka.Dispatch;

/// <summary>
/// Brings what follows an await back into the actor: as a system message, so that it runs one at a time with everything
/// else the actor does. While a handler is under way the mailbox holds user messages back.
/// </summary>
public class ActorTaskScheduler : TaskScheduler
{
    private readonly ActorCell _cell;
    private object _message;
    private IActorRef _sender;
    private bool _busy;

    internal ActorTaskScheduler(ActorCell actorCell) => _cell = actorCell;

    public object CurrentMessage => _message;

    public override int MaximumConcurrencyLevel => 1;

    internal bool IsBusy => _busy;

    public static void RunTask(Action action) => RunTask(() =>
    {
        action();
        return Task.CompletedTask;
    });

    /// <summary>Starts the handler at once; the next message waits until it has finished.</summary>
    public static void RunTask(Func<Task> asyncAction)
    {
        var cell = ActorCell.Current
            ?? throw new InvalidOperationException("RunTask must be called from an actor context.");
        cell.TaskScheduler.Start(asyncAction);
    }

    internal void Start(Func<Task> asyncAction)
    {
        if (_busy)
        {
            // Called from inside an async handler: it becomes part of that handler's turn.
            RunHere(asyncAction).ContinueWith(
                ReportNested, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, Default);
            return;
        }

        _busy = true;
        _message = _cell.CurrentMessage;
        _sender = _cell.Sender;
        var whole = RunHere(asyncAction);
        if (whole.IsCompleted)
        {
            Clear();
            whole.GetAwaiter().GetResult();
            return;
        }

        _cell.Mailbox.Suspend();
        whole.ContinueWith(
            static (task, state) =>
            {
                var self = (ActorTaskScheduler)state;
                self._cell.SendSystemMessage(new ActorTaskDone(self, Failure(task)));
            },
            this, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, Default);
    }

    /// <summary>The rest of a handler, on the actor's thread.</summary>
    internal void Execute(Task task)
    {
        var (message, sender) = (_cell.CurrentMessage, _cell.Sender);
        var context = SynchronizationContext.Current;
        _cell.SetCurrent(_message, _sender);
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            OnBeforeTaskStarted();
            TryExecuteTask(task);
            OnAfterTaskCompleted();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
            _cell.SetCurrent(message, sender);
        }
    }

    /// <summary>The handler has ended: the mailbox may go on.</summary>
    internal void Finish()
    {
        Clear();
        _cell.Mailbox.Resume();
    }

    protected override IEnumerable<Task> GetScheduledTasks() => [];

    protected override void QueueTask(Task task) => _cell.SendSystemMessage(new ActorTask(this, task));

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) =>
        !taskWasPreviouslyQueued && ReferenceEquals(ActorCell.Current, _cell) && _busy && TryExecuteTask(task);

    protected virtual void OnBeforeTaskStarted()
    {
    }

    protected virtual void OnAfterTaskCompleted()
    {
    }

    /// <summary>
    /// Runs the first part on this thread. An await prefers a synchronization context to us, so there is none.
    /// </summary>
    private Task RunHere(Func<Task> asyncAction)
    {
        var context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            var started = new Task<Task>(asyncAction);
            started.RunSynchronously(this);
            return started.Unwrap();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }

    private static Exception Failure(Task task) => task switch
    {
        { Exception: { InnerExceptions.Count: 1 } whole } => whole.InnerException,
        { Exception: { } several } => several,
        { IsCanceled: true } => new TaskCanceledException(task),
        _ => null,
    };

    private void ReportNested(Task task)
    {
        if (Failure(task) is { } failure)
        {
            _cell.SendSystemMessage(new ActorTaskDone(null, failure));
        }
    }

    private void Clear()
    {
        _busy = false;
        _message = null;
        _sender = null;
    }
}
