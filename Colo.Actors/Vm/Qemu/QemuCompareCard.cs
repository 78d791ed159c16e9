using System.Net.Sockets;
using Colo.Vmm.Net;

namespace Colo.Actors.Vm.Qemu;

/// <summary>
/// Colo's comparer for one card of a primary that QEMU runs. The guest's frames come by a redirector, the secondary's
/// by the link from its node, and what may leave goes back by another redirector.
/// <code>
///            begin k+1          STOP          RESUME
/// frames  ------|----------------|              |---------->
///          of k    wait for proof    guest stands   of k+1
/// </code>
/// Frames and QEMU's events come by different sockets, so nothing tells directly whether a frame was said before a
/// checkpoint or after it. A frame is taken as said before when it was read before the checkpoint was asked for, or
/// when it was in the socket at a moment after STOP at which QEMU still answered that the guest stands. All others
/// count as said after, which costs a checkpoint at worst and never lets a frame go too early.
/// </summary>
/// <remarks>The secondary's epochs are counted by the empty frames that its node puts between them
/// (<see cref="QemuMarkedRelay"/>): both QEMUs run on once in each checkpoint.</remarks>
internal sealed class QemuCompareCard : IReleaseSink, IDisposable
{
    private static readonly TimeSpan DrainLimit = TimeSpan.FromSeconds(2);

    private readonly Lock gate = new();
    private readonly Action<CheckpointReason> wanted;
    private readonly TimeProvider time;
    private readonly FramePool pool;
    private readonly PacketComparer comparer;
    private readonly PacketCapture? capture;
    private readonly QemuFrameStream own;
    private readonly FrameStreamEndpoint output;
    private readonly Queue<(PooledFrame Frame, long End)> waiting = new();
    private TaskCompletionSource? drained;
    private bool inCheckpoint;
    private long covered;
    private long matched;
    private long committed;
    private long solo;
    private long held;
    private long mismatches;

    /// <param name="own">Connected to the redirector that takes the guest's frames.</param>
    /// <param name="free">Connected to the redirector that puts frames into the LAN.</param>
    /// <param name="hasHeader">Frames come with a virtio header.</param>
    /// <param name="options">Bounds and times.</param>
    /// <param name="captureFolder">Where to record what is decided; empty: nowhere.</param>
    /// <param name="time">Clock of the time-outs.</param>
    /// <param name="wanted">A checkpoint is wanted; called with a lock held.</param>
    public QemuCompareCard(
        Socket own, Socket free, bool hasHeader, ComparerOptions options, string captureFolder, TimeProvider time,
        Action<CheckpointReason> wanted)
    {
        this.own = new QemuFrameStream(own, hasHeader, Await);
        this.time = time;
        this.wanted = wanted;
        pool = new FramePool(options.HeldBytesMax * 2);
        capture = captureFolder.Length == 0 ? null
            : new PacketCapture(
                this, captureFolder, () => time.GetUtcNow() - DateTimeOffset.UnixEpoch,
                text => CaptureEnded?.Invoke(text));
        comparer = new PacketComparer(options, pool, capture ?? (IReleaseSink)this);
        output = new FrameStreamEndpoint(free, hasHeader, drained: Drained);
        _ = ReadOwnAsync();
    }

    /// <summary>Whether the secondary's frames are looked at. Off while the buffers of mode periodic are the
    /// gate.</summary>
    public bool Comparing { get; set; } = true;

    /// <summary>Told once why nothing more is recorded; called with a lock held.</summary>
    public Action<string>? CaptureEnded { private get; init; }

    private TimeSpan Now => time.GetElapsedTime(0, time.GetTimestamp());

    /// <summary>A checkpoint is about to be asked for. What the guest has said until now it covers.</summary>
    public void BeginCheckpoint()
    {
        lock (gate)
        {
            if (inCheckpoint || comparer.Mode != ComparerMode.Pair)
            {
                return;
            }

            inCheckpoint = true;
            covered = own.Read;
            comparer.CheckpointCaptured(comparer.CapturedEpoch.Next);
        }
    }

    /// <summary>Bytes of the guest's stream that are here or in the socket now.</summary>
    public long CountSaid()
    {
        lock (gate)
        {
            return own.Read + own.Available;
        }
    }

    /// <summary>QEMU has said that the guest stands, at a moment after <see cref="CountSaid"/> was asked: all of it was
    /// said before the state is taken.</summary>
    public void ProveSaidBefore(long said)
    {
        lock (gate)
        {
            if (inCheckpoint)
            {
                covered = Math.Max(covered, said);
                EnterWaiting(all: false);
            }
        }

        output.Flush();
    }

    /// <summary>The guest runs on after a checkpoint, which the secondary has completely.</summary>
    public void EndCheckpoint()
    {
        lock (gate)
        {
            if (!inCheckpoint)
            {
                return;
            }

            inCheckpoint = false;
            if (comparer.Mode == ComparerMode.Pair)
            {
                comparer.CheckpointCommitted(comparer.CapturedEpoch, Now);
            }

            EnterWaiting(all: true);
        }

        output.Flush();
    }

    /// <summary>A frame of the secondary, said in its so-manieth epoch.</summary>
    public void FromSecondary(long epoch, ReadOnlySpan<byte> payload, int headerLength)
    {
        lock (gate)
        {
            if (Comparing && pool.TryCopy(payload, FrameOwner.Reader, out PooledFrame? frame))
            {
                frame.VnetHeaderLength = headerLength;
                comparer.Secondary(frame, new FrameEpoch(epoch), Now);
            }
        }

        output.Flush();
    }

    public void Tick()
    {
        lock (gate)
        {
            comparer.Tick(Now);
            capture?.Flush();
        }
    }

    /// <summary>The arbiter's yes: all that waits leaves. Done when QEMU has taken it.</summary>
    public async Task GoSoloAsync()
    {
        // The guest's frames go around the node by now; what is in the socket is the last of them.
        long began = time.GetTimestamp();
        await DrainOwnAsync().ConfigureAwait(false);
        lock (gate)
        {
            inCheckpoint = false;
            comparer.GoSolo();
            EnterWaiting(all: true);
        }

        output.Flush();
        while (!output.HasArrived && time.GetElapsedTime(began) < DrainLimit)
        {
            // What QEMU has read of a socket the kernel tells only to who asks.
            await Task.Delay(TimeSpan.FromMilliseconds(1), time).ConfigureAwait(false);
        }
    }

    public VmGauges AddTo(VmGauges gauges)
    {
        lock (gate)
        {
            return gauges with
            {
                FramesMatched = gauges.FramesMatched + matched,
                FramesCommitted = gauges.FramesCommitted + committed,
                FramesSolo = gauges.FramesSolo + solo,
                FramesHeld = gauges.FramesHeld + held,
                Mismatches = gauges.Mismatches + mismatches,
            };
        }
    }

    /// <summary>What still waits never leaves.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            comparer.StopReleasing();
            while (waiting.TryDequeue(out (PooledFrame Frame, long End) next))
            {
                next.Frame.Release();
            }
        }

        own.Dispose();
        output.Dispose();
        capture?.Dispose();
    }

    bool IReleaseSink.TryRelease(PooledFrame frame, ReleasePermit permit)
    {
        if (!output.TrySend(frame.Bytes, frame.VnetHeaderLength, flush: false))
        {
            return false;
        }

        switch (permit)
        {
            case ReleasePermit.Matched: matched++; break;
            case ReleasePermit.Committed: committed++; break;
            default: solo++; break;
        }

        return true;
    }

    void IReleaseSink.Held(PooledFrame frame) => held++;

    void IReleaseSink.RequestCheckpoint(CheckpointReason reason)
    {
        mismatches += reason == CheckpointReason.Mismatch ? 1 : 0;
        wanted(reason);
    }

    private void Drained()
    {
        lock (gate)
        {
            comparer.OutputReady();
        }

        output.Flush();
    }

    /// <summary>Until what is in the socket has been taken, or the stream is over.</summary>
    private async Task DrainOwnAsync()
    {
        Task empty;
        lock (gate)
        {
            if (own.Available == 0)
            {
                return;
            }

            drained = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            empty = drained.Task;
        }

        await empty.WaitAsync(DrainLimit, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task ReadOwnAsync()
    {
        try
        {
            do
            {
                await own.WaitAsync().ConfigureAwait(false);
            }
            while (TakeOwn());
        }
        catch (Exception problem) when (problem is SocketException or ObjectDisposedException)
        {
            // QEMU's end is told by its process.
        }

        lock (gate)
        {
            drained?.TrySetResult();
        }
    }

    /// <returns>False at the end of the stream.</returns>
    private bool TakeOwn()
    {
        lock (gate)
        {
            bool goesOn = own.Take();
            EnterWaiting(all: !inCheckpoint);
            if (own.Available == 0)
            {
                drained?.TrySetResult();
            }

            if (!goesOn)
            {
                return false;
            }
        }

        output.Flush();
        return true;
    }

    private void Await(ReadOnlySpan<byte> payload, int header, long end)
    {
        // Where the pool has no room the cable is full for the guest; its own protocols repair that.
        if (pool.TryCopy(payload, FrameOwner.Reader, out PooledFrame? frame))
        {
            frame.VnetHeaderLength = header;
            waiting.Enqueue((frame, end));
        }
    }

    /// <summary>Gives frames to the comparer: those that the last checkpoint covers, or all.</summary>
    private void EnterWaiting(bool all)
    {
        while (waiting.TryPeek(out (PooledFrame Frame, long End) next) && (all || next.End <= covered))
        {
            waiting.Dequeue();
            FrameEpoch epoch = next.End <= covered && comparer.CapturedEpoch.Number > 0
                ? comparer.CapturedEpoch.Previous : comparer.CapturedEpoch;
            if (!comparer.Primary(next.Frame, epoch, Now))
            {
                next.Frame.Release();
            }
        }
    }
}
