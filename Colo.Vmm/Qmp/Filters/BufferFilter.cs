using Colo.Vmm.Net;
using Colo.Vmm.Qmp.Parts;

namespace Colo.Vmm.Qmp.Filters;

/// <summary>
/// QEMU's filter-buffer: frames wait and are passed on together, every so many microseconds. At its bound it passes
/// the oldest on early. What waits leaves when the filter is switched off or deleted.
/// </summary>
internal sealed class BufferFilter : NetFilter
{
    private const int FramesMax = 4096;
    private readonly FramePool _pool = new(64L << 20);
    private readonly Queue<(PooledFrame Frame, FilterQueue Direction)> _waiting = new();
    private readonly Lock _gate = new();
    private readonly Lock _release = new();
    private readonly ITimer _timer;
    private long _interval;

    /// <param name="settings">As for all filters.</param>
    /// <param name="intervalMicroseconds">Time between two releases, more than 0.</param>
    /// <param name="time">Clock of the releases.</param>
    public BufferFilter(FilterSettings settings, long intervalMicroseconds, TimeProvider time)
        : base("filter-buffer", settings)
    {
        _interval = intervalMicroseconds;
        TimeSpan period = Period(intervalMicroseconds);
        _timer = time.CreateTimer(_ => ReleaseAll(), null, period, period);
    }

    public override IReadOnlyDictionary<string, object> Properties =>
        new Dictionary<string, object>(base.Properties) { ["interval"] = Interlocked.Read(ref _interval) };

    public override bool Take(ReadOnlySpan<byte> frame, FilterQueue direction)
    {
        lock (_gate)
        {
            if (_waiting.Count < FramesMax && _pool.TryCopy(frame, FrameOwner.Buffer, out PooledFrame? copy))
            {
                _waiting.Enqueue((copy, direction));
                return true;
            }
        }

        ReleaseAll();
        return false;
    }

    public override void Set(string name, QmpFields value)
    {
        if (name != "interval")
        {
            base.Set(name, value);
            return;
        }

        long interval = value.Number("value", 0, 1, uint.MaxValue);
        Interlocked.Exchange(ref _interval, interval);
        _timer.Change(Period(interval), Period(interval));
    }

    public override void Dispose()
    {
        _timer.Dispose();
        Switch(false);
        base.Dispose();
    }

    protected override void Switch(bool isOn)
    {
        base.Switch(isOn);
        if (!isOn)
        {
            ReleaseAll();
        }
    }

    /// <summary>
    /// Rounded up to the timer's milliseconds: it drops what is less than one, and takes a period of 0 for once.
    /// </summary>
    private static TimeSpan Period(long microseconds) => TimeSpan.FromMilliseconds((microseconds + 999) / 1000);

    private void ReleaseAll()
    {
        lock (_release)
        {
            while (TryTakeNext(out PooledFrame? frame, out FilterQueue direction))
            {
                Chain.PassOn(this, frame.Frame, direction);
                frame.Release();
            }
        }
    }

    private bool TryTakeNext(
        [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out PooledFrame? frame, out FilterQueue direction)
    {
        lock (_gate)
        {
            bool isThere = _waiting.TryDequeue(out (PooledFrame Frame, FilterQueue Direction) next);
            (frame, direction) = next;
            return isThere;
        }
    }
}
