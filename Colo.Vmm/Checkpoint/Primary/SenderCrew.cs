using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>
/// The page channels of a link and the threads that serve them: at most half as many as there are processors, because
/// the other half runs the guest, and more threads than processors only take turns. A thread serves its channels some
/// chunks each in turn; the caller's is the first of them. The threads live as long as the crew, because starting them
/// would cost as much as a small checkpoint.
/// </summary>
internal sealed class SenderCrew : IDisposable
{
    // Two chunks of 32 pages: a small checkpoint's share of four channels, for which each receiver then wakes once.
    private const int ChunksPerTurn = 2;

    private readonly PageChannelSender[] _senders;
    private readonly Thread[] _threads;
    private readonly SemaphoreSlim[] _work;
    private readonly SendEnd[] _ends;
    private readonly bool[] _isDone;
    private readonly SemaphoreSlim _done = new(0);
    private Job _job;
    private volatile bool _stopping;

    public SenderCrew(CheckpointLink link, PageLedger ledger, PrimaryCheckpointOptions options)
    {
        var count = link.PageChannelCount;
        _senders = new PageChannelSender[count];
        _isDone = new bool[count];
        for (var i = 0; i < count; i++)
        {
            _senders[i] = new PageChannelSender(link, i, ledger, options);
        }

        var served = Math.Min(count, options.SendThreads ?? Math.Max(1, Environment.ProcessorCount / 2));
        _ends = new SendEnd[served];
        _threads = new Thread[served - 1];
        _work = new SemaphoreSlim[served - 1];
        for (var i = 1; i < served; i++)
        {
            var index = i;
            _work[i - 1] = new SemaphoreSlim(0);
            _threads[i - 1] = new Thread(() => Work(index)) { IsBackground = true, Name = $"checkpoint-send-{i}" };
            _threads[i - 1].Start();
        }
    }

    /// <summary>Pages since the last <see cref="ResetCounts"/>, over all channels.</summary>
    public PageCounts Counts
    {
        get
        {
            var sum = default(PageCounts);
            foreach (var sender in _senders)
            {
                sum += sender.Counts;
            }

            return sum;
        }
    }

    public void ResetCounts()
    {
        foreach (var sender in _senders)
        {
            sender.ResetCounts();
        }
    }

    public void Forget()
    {
        foreach (var sender in _senders)
        {
            sender.Forget();
        }
    }

    /// <summary>Sends the set over all channels; with <paramref name="isCheckpoint"/> each ends with its
    /// pages-end.</summary>
    public SendEnd Send(
        bool isCheckpoint, CheckpointStamp stamp, DirtyPages set, IPageSource source, Action? afterChunk,
        CancellationToken cancellation)
    {
        _job = new Job(isCheckpoint, stamp, set, source, afterChunk, cancellation);
        foreach (var work in _work)
        {
            work.Release();
        }

        _ends[0] = Run(0);
        for (var i = 0; i < _work.Length; i++)
        {
            _done.Wait(CancellationToken.None);
        }

        var worst = SendEnd.Done;
        foreach (var end in _ends)
        {
            worst = end > worst ? end : worst;
        }

        return worst;
    }

    public void Dispose()
    {
        if (_stopping)
        {
            return;
        }

        _stopping = true;
        foreach (var work in _work)
        {
            work.Release();
        }

        foreach (var thread in _threads)
        {
            thread.Join();
        }

        foreach (var work in _work)
        {
            work.Dispose();
        }

        _done.Dispose();
    }

    private void Work(int index)
    {
        while (true)
        {
            _work[index - 1].Wait(CancellationToken.None);
            if (_stopping)
            {
                return;
            }

            _ends[index] = Run(index);
            _done.Release();
        }
    }

    /// <summary>Serves the thread's channels; what was taken before a cancellation is sent.</summary>
    private SendEnd Run(int thread)
    {
        var job = _job;
        var type = job.IsCheckpoint ? FrameType.PageChunk : FrameType.PagePrecopy;
        var left = 0;
        for (var i = thread; i < _senders.Length; i += _ends.Length)
        {
            _senders[i].Begin();
            _isDone[i] = false;
            left++;
        }

        while (left > 0)
        {
            for (var i = thread; i < _senders.Length; i += _ends.Length)
            {
                for (var chunk = 0; chunk < ChunksPerTurn && !_isDone[i]; chunk++)
                {
                    if (!_senders[i].TrySendChunk(type, job.Stamp, job.Set, job.Source, out _isDone[i]))
                    {
                        return SendEnd.Failed;
                    }

                    left -= _isDone[i] ? 1 : 0;
                    job.AfterChunk?.Invoke();
                    if (left > 0 && job.Cancellation.IsCancellationRequested)
                    {
                        return SendEnd.Cancelled;
                    }
                }
            }
        }

        return SendEnd.Done;
    }

    private readonly record struct Job(
        bool IsCheckpoint, CheckpointStamp Stamp, DirtyPages Set, IPageSource Source, Action? AfterChunk,
        CancellationToken Cancellation);
}
