using Colo.Actors.Network;
using Colo.Actors.Protocol;

namespace Colo.Simulation;

/// <summary>
/// The comparer's knowledge of what the secondary answered: by connection and epoch, byte for byte, so that segment
/// boundaries do not matter.
/// </summary>
public sealed class SimComparer(Mutant mutant)
{
    private sealed class Seen
    {
        public Dictionary<uint, byte> Bytes { get; } = [];

        public uint? Syn { get; set; }

        public bool Reset { get; set; }

        public uint? Ack { get; set; }

        /// <summary>How far the secondary's own stream has come.</summary>
        public uint? End { get; set; }
    }

    private readonly SortedDictionary<(long Connection, long Epoch), Seen> _seen = [];
    private readonly SortedDictionary<long, uint> _safeAck = [];

    public void Clear()
    {
        _seen.Clear();
        _safeAck.Clear();
    }

    public void Add(Frame frame, long epoch)
    {
        if (!_seen.TryGetValue((frame.Connection, epoch), out Seen? seen))
        {
            _seen[(frame.Connection, epoch)] = seen = new Seen();
        }

        for (int i = 0; i < frame.Payload.Length; i++)
        {
            seen.Bytes[unchecked(frame.Sequence + (uint)i)] = frame.Payload[i];
        }

        if (frame.Kind == FrameKind.Syn)
        {
            seen.Syn = frame.Sequence;
        }

        seen.Reset |= frame.Kind == FrameKind.Reset;
        if (frame.Kind != FrameKind.Reset)
        {
            seen.Ack = Later(seen.Ack, frame.Ack);
            seen.End = Later(seen.End, unchecked(frame.Sequence + (uint)frame.Payload.Length));
            RaiseSafeAck(frame.Connection, frame.Ack);
        }
    }

    /// <summary>The secondary is known to have the client's bytes up to here.</summary>
    public void RaiseSafeAck(long connection, uint ack) =>
        _safeAck[connection] = Later(_safeAck.TryGetValue(connection, out uint old) ? old : null, ack);

    public void DropBelow(long epoch)
    {
        foreach ((long Connection, long Epoch) key in _seen.Keys.Where(key => key.Epoch < epoch).ToList())
        {
            _seen.Remove(key);
        }
    }

    /// <summary>What the gate may know about this frame; <paramref name="mismatch"/> when the secondary certainly
    /// answered otherwise.</summary>
    public FrameFacts Facts(Frame frame, Epoch epoch, Term term, out bool mismatch)
    {
        mismatch = false;
        Epoch? matched = null;
        long lowest = mutant == Mutant.Untagged ? 0 : epoch.Value;
        for (long tag = epoch.Value; tag >= Math.Max(lowest, epoch.Value - 3) && matched is null; tag--)
        {
            if (_seen.TryGetValue((frame.Connection, tag), out Seen? seen) && Matches(frame, seen, ref mismatch))
            {
                matched = epoch;
            }
        }

        bool hasAck = frame.Kind != FrameKind.Reset && mutant != Mutant.M3;
        uint safe = _safeAck.TryGetValue(frame.Connection, out uint ack) ? ack : unchecked(frame.Ack - 1);
        return new FrameFacts(epoch, term, matched, hasAck, frame.Ack, safe);
    }

    private static bool Matches(Frame frame, Seen seen, ref bool mismatch)
    {
        switch (frame.Kind)
        {
            case FrameKind.Syn:
                mismatch |= seen.Syn is { } syn && syn != frame.Sequence;
                return seen.Syn == frame.Sequence;
            case FrameKind.Reset:
                return seen.Reset;
            case FrameKind.Data:
            default:
                break;
        }

        if (frame.Payload.Length == 0)
        {
            // Its sequence number tells how much the guest has sent: the secondary must have sent as much.
            return seen.End is { } end && unchecked((int)(frame.Sequence - end)) <= 0;
        }

        for (int i = 0; i < frame.Payload.Length; i++)
        {
            if (!seen.Bytes.TryGetValue(unchecked(frame.Sequence + (uint)i), out byte value))
            {
                return false;
            }

            if (value != frame.Payload[i])
            {
                mismatch = true;
                return false;
            }
        }

        return true;
    }

    private static uint Later(uint? left, uint right) => left is { } value && unchecked((int)(value - right)) > 0 ? value : right;
}
