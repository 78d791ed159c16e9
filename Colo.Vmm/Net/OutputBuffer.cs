namespace Colo.Vmm.Net;

/// <summary>
/// Periodic mode's gate: every frame of the guest waits for the commit of a checkpoint captured after it (Remus).
/// Nothing is compared, and frames leave in the order they came. Bounded: at the bound the caller keeps the frame
/// and has to take a checkpoint or pause the guest.
/// </summary>
public sealed class OutputBuffer
{
    private readonly IReleaseSink sink;
    private readonly long heldBytesMax;
    private readonly FrameQueue queue = new();
    private FrameEpoch committed;
    private bool isRequested;

    public OutputBuffer(IReleaseSink sink, FrameEpoch epoch = default, long heldBytesMax = 128L << 20)
    {
        this.sink = sink;
        this.heldBytesMax = heldBytesMax;
        committed = epoch;
    }

    public ComparerMode Mode { get; private set; } = ComparerMode.Pair;

    public long HeldBytes { get; private set; }

    public int HeldFrames => queue.Count;

    /// <summary>Most of the memory is in use: the guest should be paused until a commit.</summary>
    public bool Saturated => HeldBytes >= heldBytesMax / 4 * 3;

    /// <summary>A frame of the guest. Takes the caller's reference; false at the memory bound, and the caller keeps
    /// the frame.</summary>
    [HotPath]
    public bool Add(PooledFrame frame, FrameEpoch epoch, TimeSpan now)
    {
        ArgumentNullException.ThrowIfNull(frame);
        if (Mode == ComparerMode.Stopped)
        {
            sink.Dropped(frame, ReplicaSide.Primary, DropReason.TermLost);
            frame.Release();
            return true;
        }
        if (HeldBytes + frame.CapacityBytes > heldBytesMax)
        {
            if (!isRequested)
            {
                isRequested = true;
                sink.RequestCheckpoint(CheckpointReason.Overflow);
            }
            return false;
        }
        frame.TransferTo(FrameOwner.Buffer);
        frame.Epoch = epoch;
        frame.Arrival = now;
        HeldBytes += frame.CapacityBytes;
        queue.Append(frame);
        OutputReady();
        return true;
    }

    /// <summary>A state was captured; releases nothing.</summary>
    public void CheckpointCaptured() => isRequested = false;

    /// <summary>The secondary has acknowledged the commit: what was made before that capture leaves.</summary>
    public void CheckpointCommitted(FrameEpoch epoch)
    {
        committed = epoch > committed ? epoch : committed;
        OutputReady();
    }

    /// <summary>This host owns the VM alone.</summary>
    public void GoSolo()
    {
        if (Mode == ComparerMode.Pair)
        {
            Mode = ComparerMode.Solo;
            OutputReady();
        }
    }

    /// <summary>A pair is being asked for: frames wait again, from the capture of <paramref name="epoch"/>
    /// on.</summary>
    public void EnterPair(FrameEpoch epoch)
    {
        if (Mode == ComparerMode.Solo)
        {
            Mode = ComparerMode.Pair;
            committed = epoch.Previous;
        }
    }

    /// <summary>The term is lost: what waits never leaves.</summary>
    public void StopReleasing()
    {
        Mode = ComparerMode.Stopped;
        while (queue.First is { } frame)
        {
            Take(frame);
            sink.Dropped(frame, ReplicaSide.Primary, DropReason.TermLost);
            frame.Release();
        }
    }

    /// <summary>The output takes frames again.</summary>
    public void OutputReady()
    {
        while (queue.First is { } frame && (Mode == ComparerMode.Solo || frame.Epoch < committed))
        {
            var permit = Mode == ComparerMode.Solo ? ReleasePermit.Solo : ReleasePermit.Committed;
            if (!sink.TryRelease(frame, permit))
            {
                return;
            }
            Take(frame);
            frame.Release();
        }
    }

    private void Take(PooledFrame frame)
    {
        queue.Remove(frame);
        HeldBytes -= frame.CapacityBytes;
    }
}
