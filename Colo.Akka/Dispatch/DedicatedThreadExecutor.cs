namespace Akka.Dispatch;

/// <summary>
/// Threads of its own: for actors that block, so that they cannot starve the others. The threads start with the first
/// work and end at shutdown, after what was queued.
/// </summary>
internal sealed class DedicatedThreadExecutor(string id, int threadCount, bool background = true) : ExecutorService(id)
{
    private readonly Queue<IRunnable> _work = new();
    private int _started;
    private int _idle;
    private bool _stopping;

    public override void Execute(IRunnable run)
    {
        lock (_work)
        {
            if (_stopping)
            {
                throw new RejectedExecutionException($"Executor of dispatcher '{Id}' is shut down");
            }

            _work.Enqueue(run);
            if (_idle == 0 && _started < threadCount)
            {
                StartThread();
            }

            Monitor.Pulse(_work);
        }
    }

    public override void Shutdown()
    {
        lock (_work)
        {
            _stopping = true;
            Monitor.PulseAll(_work);
        }
    }

    private void StartThread()
    {
        _started++;
        new Thread(Loop) { IsBackground = background, Name = $"{Id}_{_started}" }.UnsafeStart();
    }

    private void Loop()
    {
        while (TryTake(out var work))
        {
            work.Run();
        }
    }

    private bool TryTake(out IRunnable work)
    {
        lock (_work)
        {
            while (!_work.TryDequeue(out work))
            {
                if (_stopping)
                {
                    return false;
                }

                _idle++;
                Monitor.Wait(_work);
                _idle--;
            }

            return true;
        }
    }
}

public class RejectedExecutionException : Actor.AkkaException
{
    public RejectedExecutionException(string message = null, Exception inner = null)
        : base(message, inner)
    {
    }
}
