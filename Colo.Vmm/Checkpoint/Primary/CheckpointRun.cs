namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>Collects the figures of one checkpoint as it goes through its phases.</summary>
internal sealed class CheckpointRun
{
    private readonly TimeProvider _time;
    private readonly long _bytesBefore;
    private long _mark;
    private long _bytes;
    private TimeSpan _request;
    private TimeSpan _pause;
    private TimeSpan _send;
    private TimeSpan _acknowledge;
    private TimeSpan _load;
    private int _deviceBytes;
    private int _dirty;
    private int _ahead;
    private int _copied;
    private PageCounts _pages;

    public CheckpointRun(CheckpointStamp stamp, TimeProvider time, long bytesBefore)
    {
        Stamp = stamp;
        _time = time;
        _bytesBefore = bytesBefore;
        _bytes = bytesBefore;
        _mark = time.GetTimestamp();
    }

    public CheckpointStamp Stamp { get; }

    /// <summary>How long the guest has been running again after the pause; before <see cref="EndSend"/>.</summary>
    public TimeSpan SinceCapture => _time.GetElapsedTime(_mark);

    public void EndRequest() => _request = Lap();

    public void BeginPause() => Lap();

    public void EndPause() => _pause = Lap();

    public void EndSend(long bytes)
    {
        _send = Lap();
        _bytes = bytes;
    }

    public void EndAcknowledge() => _acknowledge = Lap();

    public void EndLoad() => _load = Lap();

    public void Note(int dirty, int ahead, int deviceBytes)
    {
        _dirty = dirty;
        _ahead = ahead;
        _deviceBytes = deviceBytes;
    }

    public void NoteCopied(int pages) => _copied = pages;

    public void Count(PageCounts pages) => _pages = pages;

    public CheckpointReport Report(CheckpointStatus status, AbortReason abort, LinkFailure failure) => new(
        status, Stamp, abort, failure, _request, _pause, _send, _acknowledge, _load, _bytes - _bytesBefore,
        _deviceBytes, _dirty, _ahead, _copied, _pages);

    private TimeSpan Lap()
    {
        var now = _time.GetTimestamp();
        var lap = _time.GetElapsedTime(_mark, now);
        _mark = now;
        return lap;
    }
}
