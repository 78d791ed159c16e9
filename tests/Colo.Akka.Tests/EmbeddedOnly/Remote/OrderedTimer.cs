using System.Diagnostics;

namespace Colo.Akka.Tests.EmbeddedOnly.Remote;

/// <summary>Runs actions on one thread in the order of their time, those of the same time in the order they
/// came.</summary>
internal sealed class OrderedTimer : IDisposable
{
    private readonly PriorityQueue<Action, (TimeSpan, long)> _queue = new();
    private readonly Thread _thread;
    private long _number;
    private bool _ended;

    internal OrderedTimer()
    {
        _thread = new Thread(Work) { IsBackground = true, Name = "ordered timer" };
        _thread.Start();
    }

    public void Dispose()
    {
        lock (_queue)
        {
            _ended = true;
            Monitor.Pulse(_queue);
        }

        _thread.Join();
    }

    internal void After(TimeSpan delay, Action action)
    {
        lock (_queue)
        {
            _queue.Enqueue(action, (Stopwatch.GetElapsedTime(0) + delay, _number++));
            Monitor.Pulse(_queue);
        }
    }

    private void Work()
    {
        while (true)
        {
            Action? due = null;
            lock (_queue)
            {
                if (_ended)
                {
                    return;
                }

                if (!_queue.TryPeek(out _, out var at))
                {
                    Monitor.Wait(_queue);
                }
                else if (at.Item1 - Stopwatch.GetElapsedTime(0) is { Ticks: > 0 } wait)
                {
                    Monitor.Wait(_queue, wait + TimeSpan.FromMilliseconds(1));
                }
                else
                {
                    due = _queue.Dequeue();
                }
            }

            due?.Invoke();
        }
    }
}
