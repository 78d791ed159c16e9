using System.Net.Sockets;

namespace Colo.Vmm.Net;

/// <summary>
/// A comparer on three packet streams, as QEMU's colo-compare has its chardevs: primary in, secondary in, out.
/// Frames of both inputs carry the comparer's current epoch. Whoever owns it answers
/// <see cref="CheckpointRequested"/> and calls <see cref="Commit"/>. The lock covers the comparer only; no send
/// blocks under it (defect H3 of QEMU).
/// </summary>
public sealed class CompareEndpoint : IReleaseSink, IDisposable
{
    private readonly Lock gate = new();
    private readonly FramePool pool;
    private readonly PacketComparer comparer;
    private readonly TimeProvider time;
    private readonly long started;
    private readonly FrameStreamEndpoint primary;
    private readonly FrameStreamEndpoint secondary;
    private readonly FrameStreamEndpoint output;
    private readonly ITimer timer;

    public CompareEndpoint(
        Socket primaryIn, Socket secondaryIn, Socket output, ComparerOptions options, TimeProvider time, bool hasVnetHeader = false)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        this.time = time;
        started = time.GetTimestamp();
        pool = new FramePool(options.HeldBytesMax * 2);
        comparer = new PacketComparer(options, pool, this);
        this.output = new FrameStreamEndpoint(output, hasVnetHeader, drained: Drained);
        primary = new FrameStreamEndpoint(primaryIn, hasVnetHeader);
        secondary = new FrameStreamEndpoint(secondaryIn, hasVnetHeader);
        primary.Closed += () => InputClosed?.Invoke();
        primary.Start((payload, vnet) => Accept(payload, vnet, isPrimary: true), this.output.Flush);
        secondary.Start((payload, vnet) => Accept(payload, vnet, isPrimary: false), this.output.Flush);
        var period = options.CompareTimeout / 4;
        timer = time.CreateTimer(_ => Tick(), null, period, period);
    }

    /// <summary>Raised on one of the endpoint's threads, under its lock; must not call back.</summary>
    public event Action<CheckpointReason>? CheckpointRequested;

    /// <summary>The primary's stream ended; raised on an endpoint's thread.</summary>
    public event Action? InputClosed;

    public ComparerCounters Counters => comparer.Counters;

    /// <summary>Buffers in use; 0 when nothing is held.</summary>
    public int OutstandingFrames => pool.OutstandingCount;

    private TimeSpan Now => time.GetElapsedTime(started);

    /// <summary>Captures and commits one checkpoint at once, as QEMU's flush does: both replicas stand still while
    /// it is called.</summary>
    public void Commit()
    {
        lock (gate)
        {
            var epoch = comparer.CapturedEpoch.Next;
            comparer.CheckpointCaptured(epoch);
            comparer.CheckpointCommitted(epoch, Now);
        }
        output.Flush();
    }

    public bool TryRelease(PooledFrame frame, ReleasePermit permit) =>
        output.TrySend(frame.Bytes, frame.VnetHeaderLength, flush: false);

    public void RequestCheckpoint(CheckpointReason reason) => CheckpointRequested?.Invoke(reason);

    public void Dispose()
    {
        timer.Dispose();
        primary.Dispose();
        secondary.Dispose();
        output.Dispose();
        lock (gate)
        {
            comparer.StopReleasing();
        }
    }

    private bool Accept(ReadOnlySpan<byte> payload, int vnetHeaderLength, bool isPrimary)
    {
        lock (gate)
        {
            if (!pool.TryCopy(payload, FrameOwner.Reader, out var frame))
            {
                return false;
            }
            frame.VnetHeaderLength = vnetHeaderLength;
            if (!isPrimary)
            {
                comparer.Secondary(frame, comparer.CapturedEpoch, Now);
                return true;
            }
            if (comparer.Primary(frame, comparer.CapturedEpoch, Now))
            {
                return true;
            }
            frame.Release();
            return false;
        }
    }

    private void Drained()
    {
        lock (gate)
        {
            comparer.OutputReady();
        }
        output.Flush();
    }

    private void Tick()
    {
        lock (gate)
        {
            comparer.Tick(Now);
        }
    }
}
