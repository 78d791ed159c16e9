using System.Buffers;
using System.Buffers.Binary;
using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Network;
using Colo.Actors.Protocol;
using Colo.Vmm.Links;
using Colo.Vmm.Net;

namespace Colo.Actors.Vm.Embedded;

/// <summary>
/// The cards of one guest and everything between them and the LAN: what comes in is mirrored, what goes out passes the
/// comparer and the gate (primary), or is rewritten and shown to the primary (secondary).
/// <code>
///  LAN -- tap -- [mirror to the peer] --> card            primary
///  LAN &lt;- tap -- gate -- comparer  &lt;----- card
///  mirror link -- [wait for its epoch] -- rewriter --> card      secondary
///  compare link &lt;- tag with epoch ------- rewriter &lt;-- card
/// </code>
/// One lock for decisions of both directions: a frame, a capture and a change of the gate never overlap.
/// </summary>
internal sealed class GuestNetwork : IDisposable
{
    private const int MirrorBacklogMax = 64 << 20;

    private readonly Lock gate = new();
    private readonly NicPort[] ports;
    private readonly OutputGate output;
    private readonly Action<Message> report;
    private readonly TimeProvider time;
    private readonly Timer ticker;
    private volatile TaggedFrameWriter? mirror;
    private volatile TaggedFrameWriter? compare;
    private object? primaryOwner;
    private object? secondaryOwner;
    private long epoch;
    private long? expected;
    private bool joining;
    private bool comparing = true;
    private Term term = Term.Zero;

    public GuestNetwork(
        HostIdentity self, IReadOnlyList<LanPort> lans, ComparerOptions options, Action<Message> report, TimeProvider time)
    {
        output = new OutputGate(self);
        Tap = new PacketTap(time);
        this.report = report;
        this.time = time;
        ports = [.. lans.Select((lan, index) => new NicPort(this, index, lan, options))];
        ticker = new Timer(_ => Tick(), null, TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(20));
    }

    public IReadOnlyList<NicPort> Ports => ports;

    /// <summary>What the comparers decide, for whoever listens.</summary>
    public PacketTap Tap { get; }

    internal Lock Gate => gate;

    internal TimeSpan Now => time.GetElapsedTime(0, time.GetTimestamp());

    internal FrameEpoch Epoch => new(epoch);

    /// <summary>Whether this host's guest is the replica, whose frames are only shown to the primary.</summary>
    internal bool IsReplica => secondaryOwner is not null;

    internal bool HasMirror => mirror is not null;

    /// <summary>The permit of the last resort: what the gate does not allow does not leave, whatever the comparer
    /// says.</summary>
    internal bool MayLeave(PooledFrame frame, ReleasePermit permit)
    {
        var tag = new Epoch(frame.Epoch.Number);
        FrameFacts facts = permit == ReleasePermit.Matched
            ? new FrameFacts(tag, term, tag, false, 0, 0)
            : FrameFacts.Unmatched(tag, term);
        return OutputGate.IsRelease(output.Decide(facts)) || (permit == ReleasePermit.PassThrough && !output.IsClosed);
    }

    public void OpenSolo(ArbiterRecord record)
    {
        lock (gate)
        {
            output.OpenSolo(record);
            term = record.Term;
            joining = false;
            Array.ForEach(ports, port => port.GoSolo());
        }
    }

    /// <summary>Solo is given up; from the capture that follows, frames need a permit of the pair.</summary>
    public void BeginJoin()
    {
        lock (gate)
        {
            output.BeginJoin();
            joining = true;
        }
    }

    public void OpenPair(ArbiterRecord record, Epoch acknowledged)
    {
        lock (gate)
        {
            output.OpenPair(record, acknowledged);
            term = record.Term;
            Array.ForEach(ports, port => port.Committed(acknowledged));
        }
    }

    public void Acknowledge(Epoch committed)
    {
        lock (gate)
        {
            output.Acknowledge(committed);
            Array.ForEach(ports, port => port.Committed(committed));
        }
    }

    public void Close(string reason)
    {
        lock (gate)
        {
            output.Close(reason);
        }
    }

    /// <summary>
    /// The number of the image that is about to be taken or loaded, or null when it was given up. With it,
    /// <see cref="Capture"/> and <see cref="Load"/> begin the epoch in the same moment in which the cards' waiting
    /// frames become a part of the image or are replaced by those of it: a frame between the two would be given to the
    /// secondary's guest twice or not at all (S12).
    /// </summary>
    public void Expect(long? image)
    {
        lock (gate)
        {
            expected = image;
        }
    }

    /// <summary>Takes the state of a machine that stands with <paramref name="save"/>, and what belongs to it
    /// here.</summary>
    public void Capture(IBufferWriter<byte> target, Action<IBufferWriter<byte>> save)
    {
        lock (gate)
        {
            save(target);
            SaveState(target);
            BeginExpected();
        }
    }

    /// <summary>Brings an image into force; <paramref name="load"/> does the machine's part of it.</summary>
    /// <returns>Null, or what is wrong with the bytes.</returns>
    public string? Load(ReadOnlySpan<byte> own, ReadOnlySpan<byte> cards, MachineLoad load)
    {
        lock (gate)
        {
            string? error = load(own) ?? LoadState(cards);
            if (error is null)
            {
                BeginExpected();
            }

            return error;
        }
    }

    /// <summary>Everything from now on carries <paramref name="next"/>: a capture on the primary, a load on the
    /// secondary.</summary>
    public void Tag(long next)
    {
        lock (gate)
        {
            if (epoch == next && !joining)
            {
                return;
            }

            epoch = next;
            foreach (NicPort port in ports)
            {
                port.Tagged(joining);
            }

            joining = false;
        }
    }

    /// <summary>Makes the interfaces beforehand, so that a takeover is quick.</summary>
    public void Prepare() => Array.ForEach(ports, port => port.Prepare());

    /// <summary>
    /// What belongs to the guest's state although the guest does not know it: the offsets of connections that outlived
    /// a takeover. Per card: u32 big-endian length, then the rewriter's own bytes.
    /// </summary>
    public void SaveState(IBufferWriter<byte> target)
    {
        lock (gate)
        {
            foreach (NicPort port in ports)
            {
                var saved = new ArrayBufferWriter<byte>();
                port.SaveRewriter(saved);
                BinaryPrimitives.WriteInt32BigEndian(target.GetSpan(4), saved.WrittenCount);
                target.Advance(4);
                target.Write(saved.WrittenSpan);
            }
        }
    }

    /// <returns>Null, or what is wrong with the bytes.</returns>
    public string? LoadState(ReadOnlySpan<byte> state)
    {
        lock (gate)
        {
            foreach (NicPort port in ports)
            {
                if (state.Length < 4 || BinaryPrimitives.ReadInt32BigEndian(state) is var length && (length < 0 || length > state.Length - 4)
                    || !port.LoadRewriter(state.Slice(4, BinaryPrimitives.ReadInt32BigEndian(state))))
                {
                    return $"the rewriter's part of the state is damaged or not of version {SequenceRewriter.SavedVersion}";
                }

                state = state[(4 + BinaryPrimitives.ReadInt32BigEndian(state))..];
            }

            return null;
        }
    }

    /// <summary>The checkpoint in flight was given up: its frames need another.</summary>
    public void Abandoned(Epoch given)
    {
        lock (gate)
        {
            Array.ForEach(ports, port => port.Abandoned(given));
        }
    }

    public void SetComparing(bool enabled)
    {
        lock (gate)
        {
            comparing = enabled;
        }
    }

    public void Attach(bool announce)
    {
        foreach (NicPort port in ports)
        {
            port.Attach();
            if (announce)
            {
                lock (gate)
                {
                    port.Announce();
                }
            }
        }
    }

    public void Detach() => Array.ForEach(ports, port => port.Detach());

    /// <summary>The guest is gone: forget its frames and what was learnt of it.</summary>
    public void Forget()
    {
        lock (gate)
        {
            output.Close("no guest");
            Array.ForEach(ports, port => port.Forget());
            epoch = 0;
            expected = null;
        }
    }

    /// <param name="hasRoom"><see cref="DataLink.HasRoom"/> of the mirror's link; null: never.</param>
    public void StartPrimary(object owner, Stream mirrorLink, Stream compareLink, Action lost, Func<bool>? hasRoom = null)
    {
        lock (gate)
        {
            primaryOwner = owner;
            mirror = new TaggedFrameWriter(mirrorLink, MirrorBacklogMax, _ => lost(), hasRoom);
        }

        _ = new TaggedFrameReader(compareLink, FromReplica, _ => lost());
    }

    /// <returns>What is left to be disposed of, which closes the mirror's link; null when another session is the
    /// owner.</returns>
    public IDisposable? StopPrimary(object owner)
    {
        lock (gate)
        {
            if (primaryOwner != owner)
            {
                return null;
            }

            IDisposable? ended = mirror;
            (mirror, primaryOwner) = (null, null);
            return ended;
        }
    }

    /// <param name="hasRoom"><see cref="DataLink.HasRoom"/> of the compare link; null: never.</param>
    public void StartSecondary(object owner, Stream mirrorLink, Stream compareLink, Action lost, Func<bool>? hasRoom = null)
    {
        lock (gate)
        {
            secondaryOwner = owner;
            compare = new TaggedFrameWriter(compareLink, MirrorBacklogMax, _ => lost(), hasRoom);
        }

        _ = new TaggedFrameReader(mirrorLink, FromMirror, _ => lost());
    }

    public void StopSecondary(object owner)
    {
        lock (gate)
        {
            if (secondaryOwner == owner)
            {
                compare?.Dispose();
                (compare, secondaryOwner) = (null, null);
                Array.ForEach(ports, port => port.DeliverEarly());
            }
        }
    }

    /// <summary>Where the connections used last stand, at most so many of each card.</summary>
    public IReadOnlyList<ConnectionPosition> Positions(int most)
    {
        lock (gate)
        {
            return [.. ports.SelectMany(port => port.Positions(most))];
        }
    }

    public VmGauges AddTo(VmGauges gauges)
    {
        lock (gate)
        {
            return ports.Aggregate(gauges, (sum, port) => port.AddTo(sum));
        }
    }

    public void Dispose()
    {
        ticker.Dispose();
        Array.ForEach(ports, port => port.Dispose());
    }

    private void BeginExpected()
    {
        if (expected is { } image)
        {
            expected = null;
            Tag(image);
        }
    }

    internal void Mirror(int nic, ReadOnlySpan<byte> frame) => mirror?.TryWrite(nic, (ulong)epoch, frame);

    internal void ShowToPrimary(int nic, ReadOnlySpan<byte> frame) => compare?.TryWrite(nic, (ulong)epoch, frame);

    // Neither is called under the lock: a frame that is being written must not hold up the guest.
    internal void FlushMirror() => mirror?.Flush();

    internal void FlushCompare() => compare?.Flush();

    internal void RequestCheckpoint(Colo.Vmm.Net.CheckpointReason reason) => report(new CheckpointTrigger(reason switch
    {
        Colo.Vmm.Net.CheckpointReason.Timeout => Checkpoint.CheckpointReason.CompareTimeout,
        Colo.Vmm.Net.CheckpointReason.Overflow => Checkpoint.CheckpointReason.QueueFull,
        Colo.Vmm.Net.CheckpointReason.Abandoned => Checkpoint.CheckpointReason.Retry,
        _ => Checkpoint.CheckpointReason.Mismatch,
    }));

    private void FromMirror(int nic, ulong tag, ReadOnlySpan<byte> frame)
    {
        lock (gate)
        {
            if (nic < ports.Length && IsReplica)
            {
                ports[nic].FromMirror((long)tag, epoch, frame);
            }
        }
    }

    private void FromReplica(int nic, ulong tag, ReadOnlySpan<byte> frame)
    {
        lock (gate)
        {
            if (nic < ports.Length && comparing && primaryOwner is not null)
            {
                ports[nic].FromReplica(new FrameEpoch((long)tag), frame);
            }
        }
    }

    private void Tick()
    {
        lock (gate)
        {
            if (comparing && primaryOwner is not null)
            {
                Array.ForEach(ports, port => port.Tick());
            }
        }
    }
}
