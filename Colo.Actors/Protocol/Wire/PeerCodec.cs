using System.Diagnostics.CodeAnalysis;
using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Failover;
using Google.Protobuf;

namespace Colo.Actors.Protocol.Wire;

/// <summary>
/// Peer messages as protobuf (<c>peer.proto</c>). Decoding is total: bytes that are no message of ours give a sentence
/// that says what is wrong, never an exception, and a peer can name no types, only numbers of this table.
/// </summary>
public static class PeerCodec
{
    /// <summary>Longest encoded message that is sent or accepted.</summary>
    public const int LengthMax = 16 << 10;

    /// <summary>Encodes a message of one VM.</summary>
    public static byte[] Encode(VmId vm, PeerMessage message)
    {
        var wire = new WirePeerMessage { Vm = vm.Name, From = ToWire(message.From), Term = (ulong)message.Term.Value };
        Fill(wire, message);
        return wire.ToByteArray();
    }

    /// <summary>Decodes what a peer sent.</summary>
    public static bool TryDecode(
        ReadOnlySpan<byte> bytes, out VmId vm, [NotNullWhen(true)] out PeerMessage? message, [NotNullWhen(false)] out string? error)
    {
        vm = default;
        message = null;
        if (bytes.Length > LengthMax)
        {
            error = $"{bytes.Length} bytes, the limit is {LengthMax}";
            return false;
        }

        try
        {
            WirePeerMessage wire = WirePeerMessage.Parser.ParseFrom(bytes);
            vm = new VmId(wire.Vm);
            if (wire.From is null || wire.From.Host.Length == 0 || wire.Term > long.MaxValue || wire.Epoch > long.MaxValue)
            {
                error = "the sender, its term or epoch is missing or out of range";
                return false;
            }

            message = Build(wire);
        }
        catch (InvalidProtocolBufferException problem)
        {
            error = problem.Message;
            return false;
        }

        error = message is null ? "unknown kind, or a part of that kind is missing" : null;
        return message is not null;
    }

    internal static WireIdentity ToWire(HostIdentity identity) =>
        new() { Host = identity.Host.Name, Incarnation = (ulong)identity.Incarnation.Value };

    internal static HostIdentity FromWire(WireIdentity wire) =>
        new(new HostId(wire.Host), new Incarnation(unchecked((long)wire.Incarnation)));

    internal static WireRecord ToWire(ArbiterRecord record)
    {
        var wire = new WireRecord
        {
            Vm = record.Vm.Name,
            Term = (ulong)record.Term.Value,
            Primary = ToWire(record.Primary),
            PoweredOff = record.PoweredOff,
        };
        if (record.Secondary is { } secondary)
        {
            wire.Secondary = ToWire(secondary);
        }

        return wire;
    }

    internal static ArbiterRecord? FromWire(WireRecord? wire) =>
        wire?.Primary is null || wire.Term > long.MaxValue
            ? null
            : new ArbiterRecord(
                new VmId(wire.Vm),
                new Term((long)wire.Term),
                FromWire(wire.Primary),
                wire.Secondary is null ? null : FromWire(wire.Secondary),
                wire.PoweredOff);

    private static void Fill(WirePeerMessage wire, PeerMessage message)
    {
        switch (message)
        {
            case CheckpointReady m: (wire.Kind, wire.Attempt) = ((int)PeerMessageKind.CheckpointReady, m.Attempt); break;
            case CheckpointRequest m: Mark(wire, PeerMessageKind.CheckpointRequest, m.Epoch, (int)m.Reason); break;
            case CheckpointReply m: Mark(wire, PeerMessageKind.CheckpointReply, m.Epoch); break;
            case VmStateSend m: Mark(wire, PeerMessageKind.VmStateSend, m.Epoch); break;
            case VmStateSize m:
                Mark(wire, PeerMessageKind.VmStateSize, m.Epoch);
                (wire.PageCount, wire.DeviceStateBytes) = (m.PageCount, m.DeviceStateBytes);
                break;
            case VmStateReceived m: Mark(wire, PeerMessageKind.VmStateReceived, m.Epoch); break;
            case VmStateLoaded m: Mark(wire, PeerMessageKind.VmStateLoaded, m.Epoch); break;
            case CheckpointRejected m: Mark(wire, PeerMessageKind.CheckpointRejected, m.Epoch, text: m.Reason); break;
            case CheckpointWanted m: Mark(wire, PeerMessageKind.CheckpointWanted, Epoch.Zero, (int)m.Reason); break;
            case CheckpointResume m: Mark(wire, PeerMessageKind.CheckpointResume, m.Epoch); break;
            default: FillFailover(wire, message); break;
        }
    }

    private static void FillFailover(WirePeerMessage wire, PeerMessage message)
    {
        switch (message)
        {
            case JoinOffer m:
                Mark(wire, PeerMessageKind.JoinOffer, Epoch.Zero);
                wire.Disk = new WireLineage
                {
                    LastTerm = (ulong)m.Disk.LastTerm.Value,
                    HasWriteBitmap = m.Disk.HasWriteBitmap,
                    SizeBytes = (ulong)m.Disk.SizeBytes,
                };
                break;
            case JoinInvite m: (wire.Kind, wire.Attempt) = ((int)PeerMessageKind.JoinInvite, m.Attempt); break;
            case PairEstablished m:
                Mark(wire, PeerMessageKind.PairEstablished, Epoch.Zero);
                wire.Record = ToWire(m.Record);
                break;
            case PairConfirmed: Mark(wire, PeerMessageKind.PairConfirmed, Epoch.Zero); break;
            case PairDissolved m:
                Mark(wire, PeerMessageKind.PairDissolved, Epoch.Zero);
                wire.Record = ToWire(m.Record);
                break;
            case LeaveNotice m: Mark(wire, PeerMessageKind.LeaveNotice, Epoch.Zero, text: m.Reason); break;
            case SwitchoverGranted m:
                Mark(wire, PeerMessageKind.SwitchoverGranted, m.Epoch);
                wire.Record = ToWire(m.Record);
                break;
            case GuestEndNotice m: Mark(wire, PeerMessageKind.GuestEndNotice, Epoch.Zero, (int)m.End); break;
            case GuestEndAgreed: Mark(wire, PeerMessageKind.GuestEndAgreed, Epoch.Zero); break;
            case SwitchoverWanted m: Mark(wire, PeerMessageKind.SwitchoverWanted, Epoch.Zero, text: m.Reason); break;
            default: throw new ArgumentException($"{message.GetType().Name} has no place in peer.proto", nameof(message));
        }
    }

    private static void Mark(WirePeerMessage wire, PeerMessageKind kind, Epoch epoch, int reason = 0, string text = "")
    {
        wire.Kind = (int)kind;
        wire.Epoch = (ulong)epoch.Value;
        wire.Reason = reason;
        wire.Text = text.Length > 1024 ? text[..1024] : text;
    }

    private static PeerMessage? Build(WirePeerMessage wire)
    {
        HostIdentity from = FromWire(wire.From);
        var term = new Term((long)wire.Term);
        var epoch = new Epoch((long)wire.Epoch);
        var reason = (CheckpointReason)wire.Reason;
        return (PeerMessageKind)wire.Kind switch
        {
            PeerMessageKind.CheckpointReady => new CheckpointReady(from, term, wire.Attempt),
            PeerMessageKind.CheckpointRequest when Enum.IsDefined(reason) => new CheckpointRequest(from, term, epoch, reason),
            PeerMessageKind.CheckpointReply => new CheckpointReply(from, term, epoch),
            PeerMessageKind.VmStateSend => new VmStateSend(from, term, epoch),
            PeerMessageKind.VmStateSize when wire.PageCount >= 0 && wire.DeviceStateBytes >= 0 =>
                new VmStateSize(from, term, epoch, wire.PageCount, wire.DeviceStateBytes),
            PeerMessageKind.VmStateReceived => new VmStateReceived(from, term, epoch),
            PeerMessageKind.VmStateLoaded => new VmStateLoaded(from, term, epoch),
            PeerMessageKind.CheckpointRejected => new CheckpointRejected(from, term, epoch, wire.Text),
            PeerMessageKind.CheckpointWanted when Enum.IsDefined(reason) => new CheckpointWanted(from, term, reason),
            PeerMessageKind.CheckpointResume => new CheckpointResume(from, term, epoch),
            _ => BuildFailover(wire, from, term, epoch),
        };
    }

    private static PeerMessage? BuildFailover(WirePeerMessage wire, HostIdentity from, Term term, Epoch epoch)
    {
        ArbiterRecord? record = FromWire(wire.Record);
        var end = (GuestEnd)wire.Reason;
        return (PeerMessageKind)wire.Kind switch
        {
            PeerMessageKind.JoinOffer when wire.Disk is { } disk && disk.LastTerm <= long.MaxValue && disk.SizeBytes <= long.MaxValue =>
                new JoinOffer(from, term, new DiskLineage(new Term((long)disk.LastTerm), disk.HasWriteBitmap, (long)disk.SizeBytes)),
            PeerMessageKind.JoinInvite => new JoinInvite(from, term, wire.Attempt),
            PeerMessageKind.PairEstablished when record is not null => new PairEstablished(from, term, record),
            PeerMessageKind.PairConfirmed => new PairConfirmed(from, term),
            PeerMessageKind.PairDissolved when record is not null => new PairDissolved(from, term, record),
            PeerMessageKind.LeaveNotice => new LeaveNotice(from, term, wire.Text),
            PeerMessageKind.SwitchoverGranted when record is not null => new SwitchoverGranted(from, term, record, epoch),
            PeerMessageKind.GuestEndNotice when Enum.IsDefined(end) => new GuestEndNotice(from, term, end),
            PeerMessageKind.GuestEndAgreed => new GuestEndAgreed(from, term),
            PeerMessageKind.SwitchoverWanted => new SwitchoverWanted(from, term, wire.Text),
            _ => null,
        };
    }
}
