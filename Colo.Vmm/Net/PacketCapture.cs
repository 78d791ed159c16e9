namespace Colo.Vmm.Net;

/// <summary>
/// A sink around a sink that records what the comparer decides: <c>released.pcap</c>, <c>held.pcap</c> and
/// <c>mismatch.pcap</c> (the primary's frame, then the secondary's) and in <c>mismatch.txt</c> one line for each
/// difference: time, connection, stream offset, both bytes.
/// </summary>
public sealed class PacketCapture : IReleaseSink, IDisposable
{
    private const int MismatchLinesMax = 100_000;
    private readonly IReleaseSink inner;
    private readonly Func<TimeSpan> now;
    private readonly FileStream[] files;
    private readonly PcapWriter released;
    private readonly PcapWriter held;
    private readonly PcapWriter mismatches;
    private readonly StreamWriter explanations;
    private int mismatchLines;

    /// <summary>Makes the files in <paramref name="directory"/>; <paramref name="now"/> is the time since
    /// 1970-01-01 UTC.</summary>
    public PacketCapture(IReleaseSink inner, string directory, Func<TimeSpan> now, long fileSizeBytesMax = 256L << 20)
    {
        this.inner = inner;
        this.now = now;
        Directory.CreateDirectory(directory);
        files = [Create("released.pcap"), Create("held.pcap"), Create("mismatch.pcap"), Create("mismatch.txt")];
        released = new PcapWriter(files[0], sizeBytesMax: fileSizeBytesMax);
        held = new PcapWriter(files[1], sizeBytesMax: fileSizeBytesMax);
        mismatches = new PcapWriter(files[2], sizeBytesMax: fileSizeBytesMax);
        explanations = new StreamWriter(files[3]);
        FileStream Create(string name) => new(Path.Combine(directory, name), FileMode.Create, FileAccess.Write, FileShare.Read);
    }

    public bool TryRelease(PooledFrame frame, ReleasePermit permit)
    {
        if (!inner.TryRelease(frame, permit))
        {
            return false;
        }
        released.Write(now(), frame.Frame);
        return true;
    }

    public void Held(PooledFrame frame)
    {
        held.Write(now(), frame.Frame);
        inner.Held(frame);
    }

    public void Dropped(PooledFrame frame, ReplicaSide side, DropReason reason) => inner.Dropped(frame, side, reason);

    public void RequestCheckpoint(CheckpointReason reason) => inner.RequestCheckpoint(reason);

    public void Overdue(in ConnectionKey connection) => inner.Overdue(connection);

    public void Differ(in FrameDifference difference)
    {
        var time = now();
        mismatches.Write(time, difference.Primary.Frame);
        mismatches.Write(time, difference.Secondary.Frame);
        if (mismatchLines++ < MismatchLinesMax)
        {
            explanations.WriteLine($"{DateTime.UnixEpoch + time:O} {difference.Describe()}");
        }
        inner.Differ(difference);
    }

    /// <summary>Brings everything to the files, so that another program can read them.</summary>
    public void Flush()
    {
        explanations.Flush();
        Array.ForEach(files, f => f.Flush());
    }

    public void Dispose()
    {
        explanations.Dispose();
        Array.ForEach(files, f => f.Dispose());
    }
}
