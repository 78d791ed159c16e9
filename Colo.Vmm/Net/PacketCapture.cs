namespace Colo.Vmm.Net;

/// <summary>
/// A sink around a sink that records what the comparer decides: <c>released.pcap</c>, <c>held.pcap</c> and
/// <c>mismatch.pcap</c> (the primary's frame, then the secondary's) and in <c>mismatch.txt</c> one line for each
/// difference: time, connection, stream offset, both bytes.
/// </summary>
/// <remarks>The first error of a file, of a full disk for example, ends the recording and is said once; what is
/// decided goes on to the inner sink always.</remarks>
public sealed class PacketCapture : IReleaseSink, IDisposable
{
    private const int MismatchLinesMax = 100_000;
    private static readonly string[] Names = ["released.pcap", "held.pcap", "mismatch.pcap", "mismatch.txt"];
    private readonly IReleaseSink inner;
    private readonly Func<TimeSpan> now;
    private readonly string directory;
    private readonly Action<string>? ended;
    private readonly Stream[] files;
    private readonly PcapWriter released;
    private readonly PcapWriter held;
    private readonly PcapWriter mismatches;
    private readonly StreamWriter explanations;
    private int mismatchLines;
    private bool isOver;

    /// <summary>Makes the files in <paramref name="directory"/>; <paramref name="now"/> is the time since
    /// 1970-01-01 UTC, <paramref name="ended"/> is told once why nothing more is recorded.</summary>
    public PacketCapture(
        IReleaseSink inner, string directory, Func<TimeSpan> now, Action<string>? ended = null,
        long fileSizeBytesMax = 256L << 20)
        : this(inner, Made(directory), now, ended, fileSizeBytesMax, Create)
    {
    }

    internal PacketCapture(
        IReleaseSink inner, string directory, Func<TimeSpan> now, Action<string>? ended, long fileSizeBytesMax,
        Func<string, Stream> open)
    {
        this.inner = inner;
        this.directory = directory;
        this.now = now;
        this.ended = ended;
        files = [.. Names.Select(name => open(Path.Combine(directory, name)))];
        released = new PcapWriter(files[0], sizeBytesMax: fileSizeBytesMax);
        held = new PcapWriter(files[1], sizeBytesMax: fileSizeBytesMax);
        mismatches = new PcapWriter(files[2], sizeBytesMax: fileSizeBytesMax);
        explanations = new StreamWriter(files[3]);
    }

    public bool TryRelease(PooledFrame frame, ReleasePermit permit)
    {
        if (!inner.TryRelease(frame, permit))
        {
            return false;
        }
        Record(released, frame);
        return true;
    }

    public void Held(PooledFrame frame)
    {
        Record(held, frame);
        inner.Held(frame);
    }

    public void Dropped(PooledFrame frame, ReplicaSide side, DropReason reason) => inner.Dropped(frame, side, reason);

    public void RequestCheckpoint(CheckpointReason reason) => inner.RequestCheckpoint(reason);

    public void Overdue(in ConnectionKey connection) => inner.Overdue(connection);

    public void Differ(in FrameDifference difference)
    {
        try
        {
            Explain(difference);
        }
        catch (Exception e) when (IsOfFile(e))
        {
            Stop(e);
        }

        inner.Differ(difference);
    }

    /// <summary>Brings everything to the files, so that another program can read them.</summary>
    public void Flush()
    {
        if (isOver)
        {
            return;
        }

        try
        {
            explanations.Flush();
            Array.ForEach(files, f => f.Flush());
        }
        catch (Exception e) when (IsOfFile(e))
        {
            Stop(e);
        }
    }

    public void Dispose()
    {
        foreach (IDisposable file in (IDisposable[])[explanations, .. files])
        {
            try
            {
                file.Dispose();
            }
            catch (Exception e) when (IsOfFile(e))
            {
                // What was still in its buffer.
                Stop(e);
            }
        }
    }

    /// <summary>What .NET makes of a write's errors: of EFBIG an ArgumentOutOfRangeException.</summary>
    internal static bool IsOfFile(Exception e) =>
        e is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException;

    private static string Made(string directory) => Directory.CreateDirectory(directory).FullName;

    private static FileStream Create(string path) => new(path, FileMode.Create, FileAccess.Write, FileShare.Read);

    private void Record(PcapWriter into, PooledFrame frame)
    {
        if (isOver)
        {
            return;
        }

        try
        {
            into.Write(now(), frame.Frame);
        }
        catch (Exception e) when (IsOfFile(e))
        {
            Stop(e);
        }
    }

    private void Explain(in FrameDifference difference)
    {
        if (isOver)
        {
            return;
        }

        var time = now();
        mismatches.Write(time, difference.Primary.Frame);
        mismatches.Write(time, difference.Secondary.Frame);
        if (mismatchLines++ < MismatchLinesMax)
        {
            explanations.WriteLine($"{DateTime.UnixEpoch + time:O} {difference.Describe()}");
        }
    }

    private void Stop(Exception problem)
    {
        if (!isOver)
        {
            isOver = true;
            ended?.Invoke($"packets are no longer recorded in {directory}: {problem.Message}");
        }
    }
}
