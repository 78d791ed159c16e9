namespace Akka.Dispatch;

/// <summary>Runs work on threads.</summary>
public abstract class ExecutorService
{
    protected ExecutorService(string id) => Id = id;

    public string Id { get; }

    public abstract void Execute(IRunnable run);

    public abstract void Shutdown();
}

/// <summary>The thread pool of the process.</summary>
internal sealed class ThreadPoolExecutor(string id) : ExecutorService(id)
{
    public override void Execute(IRunnable run) => ThreadPool.UnsafeQueueUserWorkItem(run, preferLocal: true);

    public override void Shutdown()
    {
    }
}

/// <summary>The simulation's loop.</summary>
internal sealed class HookedExecutor(string id, Actor.Internal.RuntimeHooks hooks) : ExecutorService(id)
{
    public override void Execute(IRunnable run) => hooks.Execute(run);

    public override void Shutdown()
    {
    }
}

/// <summary>Posts to the synchronization context that was current when the dispatcher was made.</summary>
internal sealed class SynchronizationContextExecutor(string id) : ExecutorService(id)
{
    private readonly SynchronizationContext _context = SynchronizationContext.Current
        ?? throw new InvalidOperationException(
            $"Dispatcher '{id}' needs a current SynchronizationContext on the thread that first uses it; there is none");

    public override void Execute(IRunnable run) => _context.Post(static state => ((IRunnable)state).Run(), run);

    public override void Shutdown()
    {
    }
}
