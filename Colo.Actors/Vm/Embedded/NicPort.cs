using System.Buffers;
using Colo.Actors.Protocol;
using Colo.Vmm.Net;

namespace Colo.Actors.Vm.Embedded;

/// <summary>
/// One card of the guest: the back end that the virtio device sees, with the comparer of its answers, the rewriter of
/// its connections and the LAN behind it. All decisions are made under the network's lock.
/// </summary>
internal sealed class NicPort : INetworkBackend, IReleaseSink
{
    /// <summary>Requests of an epoch that is not loaded yet; beyond it the client sends the oldest again. While a
    /// joiner is filled those are of before the capture, and nobody needs them.</summary>
    private const int EarlyFramesMax = 16_384;

    /// <summary>A burst that does not end: after so many frames the peer and the guest get what there is.</summary>
    private const int BurstFramesMax = 16;

    private readonly GuestNetwork network;
    private readonly int index;
    private readonly LanPort lan;
    private readonly ComparerOptions options;
    private readonly FramePool pool = new();
    private readonly byte[] scratch = new byte[65_550];
    private readonly Queue<(long Epoch, byte[] Frame)> early = new();
    private readonly UnacknowledgedOutput unacknowledged = new();
    private PacketComparer comparer;
    private FrameHandler? toGuest;
    private Action? delivered;
    private int burst;
    private long matched;
    private long committed;
    private long solo;
    private long held;
    private long mismatches;
    private long late;

    public NicPort(GuestNetwork network, int index, LanPort lan, ComparerOptions options)
    {
        this.network = network;
        this.index = index;
        this.lan = lan;
        this.options = options;
        comparer = NewComparer();
        lan.Received = FromLan;
        lan.Drained = EndBurst;
    }

    public byte[] Mac => lan.Mac;

    public SequenceRewriter Rewriter { get; private set; } = new();

    public FrameHandler? Received
    {
        set => toGuest = value;
    }

    /// <inheritdoc/>
    public bool TellsDelivered => true;

    public Action? Delivered
    {
        set => delivered = value;
    }

    /// <summary>A frame of the guest.</summary>
    public void Send(ReadOnlySpan<byte> frame)
    {
        lock (network.Gate)
        {
            if (frame.Length > scratch.Length)
            {
                return;
            }

            frame.CopyTo(scratch);
            Span<byte> own = scratch.AsSpan(0, frame.Length);
            lan.Learn(own);
            if (network.IsReplica || !Rewriter.IsIdle)
            {
                Rewriter.FromGuest(own, network.Now);
            }

            if (network.IsReplica || !lan.IsAttached)
            {
                // Nobody hears it from here; a takeover may come before the client has it from the primary.
                unacknowledged.FromGuest(own, network.Now);
            }

            if (network.IsReplica)
            {
                network.ShowToPrimary(index, own);
            }
            else if (pool.TryCopy(own, FrameOwner.Reader, out PooledFrame? copy)
                && !comparer.Primary(copy, network.Epoch, network.Now))
            {
                // At the memory bound: for the guest the cable is full; its own protocols repair that. A checkpoint is
                // asked for.
                copy.Release();
            }
        }
    }

    public void Flush() => network.FlushCompare();

    public void FromReplica(FrameEpoch tag, ReadOnlySpan<byte> frame)
    {
        if (pool.TryCopy(frame, FrameOwner.Reader, out PooledFrame? copy))
        {
            comparer.Secondary(copy, tag, network.Now);
        }
    }

    /// <summary>Frames of the mirror that an image had brought already; they were not delivered (S12).</summary>
    public long LateFrames => late;

    public void FromMirror(long tag, long loaded, ReadOnlySpan<byte> frame)
    {
        unacknowledged.FromClient(frame, network.Now);
        lan.Hear(frame);

        // A frame of an epoch before the loaded one comes late: the image has it, in the guest or waiting in its card.
        if (tag == loaded)
        {
            ToGuest(frame);
            delivered?.Invoke();
        }
        else if (tag < loaded)
        {
            late++;
        }
        else
        {
            if (early.Count == EarlyFramesMax)
            {
                early.Dequeue();
            }

            early.Enqueue((tag, frame.ToArray()));
        }
    }

    /// <summary>
    /// No further image comes: what the lost primary had received for one is given to the guest now, which answers it
    /// like anything that a client sends again.
    /// </summary>
    public void DeliverEarly()
    {
        while (early.TryDequeue(out (long Epoch, byte[] Frame) next))
        {
            ToGuest(next.Frame);
        }

        delivered?.Invoke();
    }

    /// <summary>A new epoch has begun, by a capture (primary) or a load (replica).</summary>
    public void Tagged(bool joining)
    {
        if (network.IsReplica)
        {
            // The comparer has no work on a replica, but a takeover may make this host the owner between two frames.
            if (network.Epoch > comparer.CapturedEpoch)
            {
                comparer.CheckpointCaptured(network.Epoch);
            }

            while (early.TryPeek(out (long Epoch, byte[] Frame) next) && next.Epoch <= network.Epoch.Number)
            {
                early.Dequeue();
                FromMirror(next.Epoch, network.Epoch.Number, next.Frame);
            }
        }
        else if (joining)
        {
            comparer.EnterPair(network.Epoch);
        }
        else if (network.Epoch > comparer.CapturedEpoch)
        {
            comparer.CheckpointCaptured(network.Epoch);
        }
    }

    public void GoSolo()
    {
        if (comparer.Mode == ComparerMode.Stopped)
        {
            comparer = NewComparer();
        }

        if (network.Epoch > comparer.CapturedEpoch)
        {
            comparer.CheckpointCaptured(network.Epoch);
        }

        Rewriter.Promote();
        comparer.GoSolo();
    }

    public void Committed(Epoch epoch)
    {
        var number = new FrameEpoch(epoch.Value);
        if (number > comparer.CommittedEpoch && number <= comparer.CapturedEpoch && comparer.Mode == ComparerMode.Pair)
        {
            comparer.CheckpointCommitted(number, network.Now);
        }
        else
        {
            comparer.OutputReady();
        }
    }

    public void Abandoned(Epoch epoch)
    {
        if (epoch.Value == comparer.CapturedEpoch.Number)
        {
            comparer.CheckpointAbandoned(new FrameEpoch(epoch.Value));
        }
    }

    public void Tick() => comparer.Tick(network.Now);

    public void Prepare() => lan.Prepare();

    public void Attach() => lan.Attach();

    /// <summary>The card is in the LAN from here now: tells everybody, and clients what they may wait for.</summary>
    public void Announce()
    {
        lan.Announce();
        unacknowledged.Resend(network.Now, lan.Send);
        unacknowledged.Forget();
    }

    public void Detach() => lan.Detach();

    /// <summary>The guest is gone.</summary>
    public void Forget()
    {
        comparer.StopReleasing();
        comparer = NewComparer();
        Rewriter = new SequenceRewriter();
        early.Clear();
        unacknowledged.Forget();
        lan.Forget();
    }

    public void SaveRewriter(IBufferWriter<byte> target) => Rewriter.Save(target);

    public bool LoadRewriter(ReadOnlySpan<byte> saved)
    {
        if (comparer.ConnectionCount > 0 || comparer.HeldBytes > 0)
        {
            // This host was the primary once. What still waits was made by the guest that the image replaces: it is in
            // no history any more, and a takeover would tell it to clients (S2).
            comparer.StopReleasing();
            comparer = NewComparer();
        }

        Rewriter.Demote();
        unacknowledged.Forget();
        return Rewriter.TryCheckpointLoaded(saved, network.Now);
    }

    /// <summary>Where the connections used last stand; on a replica only the rewriter's part of it is known.</summary>
    public IEnumerable<ConnectionPosition> Positions(int most) => comparer.Positions(most)
        .Select(position => position with { RewriterOffset = Rewriter.OffsetOf(position.Key) });

    public VmGauges AddTo(VmGauges gauges) => gauges with
    {
        FramesMatched = gauges.FramesMatched + matched,
        FramesCommitted = gauges.FramesCommitted + committed,
        FramesSolo = gauges.FramesSolo + solo,
        FramesHeld = gauges.FramesHeld + held,
        Mismatches = gauges.Mismatches + mismatches,
        FramesLate = gauges.FramesLate + late,
    };

    public void Dispose() => lan.Dispose();

    bool IReleaseSink.TryRelease(PooledFrame frame, ReleasePermit permit)
    {
        if (!network.MayLeave(frame, permit))
        {
            return false;
        }

        switch (permit)
        {
            case ReleasePermit.Matched: matched++; break;
            case ReleasePermit.Committed: committed++; break;
            default: solo++; break;
        }

        lan.Send(frame.Frame);
        network.Tap.Released(index, frame, permit);
        return true;
    }

    void IReleaseSink.Held(PooledFrame frame)
    {
        held++;
        network.Tap.Held(index, frame, comparer.CommittedEpoch);
    }

    void IReleaseSink.Overdue(in ConnectionKey connection) =>
        network.Tap.Overdue(index, connection, comparer.CommittedEpoch);

    void IReleaseSink.Differ(in FrameDifference difference) => network.Tap.Differed(index, difference);

    void IReleaseSink.RequestCheckpoint(CheckpointReason reason)
    {
        network.Tap.CheckpointAsked(index, reason, comparer.CommittedEpoch);
        mismatches += reason == CheckpointReason.Mismatch ? 1 : 0;
        network.RequestCheckpoint(reason);
    }

    private PacketComparer NewComparer() => new(options, pool, this, network?.Epoch ?? default);

    /// <summary>A frame of the LAN: first to the peer, then to the guest, so that what the guest saw the peer gets
    /// too.</summary>
    private void FromLan(ReadOnlySpan<byte> frame)
    {
        lock (network.Gate)
        {
            if (network.IsReplica)
            {
                return;
            }

            network.Mirror(index, frame);
            lan.Hear(frame);
            ToGuest(frame);
        }

        if (++burst >= BurstFramesMax)
        {
            EndBurst();
        }
    }

    /// <summary>First the peer, which has the longer way: to wake a thread on another processor takes this one as long
    /// as to write to the link.</summary>
    private void EndBurst()
    {
        burst = 0;
        network.FlushMirror();
        delivered?.Invoke();
    }

    private void ToGuest(ReadOnlySpan<byte> frame)
    {
        if (toGuest is not { } guest)
        {
            return;
        }

        if (!network.IsReplica && Rewriter.IsIdle)
        {
            guest(frame);
            return;
        }

        Span<byte> own = stackalloc byte[2048];
        if (frame.Length > own.Length)
        {
            own = new byte[frame.Length];
        }

        own = own[..frame.Length];
        frame.CopyTo(own);
        if (Rewriter.ToGuest(own, network.Now) != RewriteResult.Withhold)
        {
            guest(own);
        }
    }
}
