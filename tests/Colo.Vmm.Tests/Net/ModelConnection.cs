using System.Buffers.Binary;
using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

/// <summary>One end of a TCP connection, small but with what makes replicas differ: own initial number,
/// segmentation, timing, repetition.</summary>
internal sealed class ModelConnection
{
    private const int FlightMax = 6000;
    private const int Rto = 80;
    private SortedDictionary<int, byte> early = [];
    private int ackPendingSince = -1;
    private int lastProgress;
    private int? finAt;
    private uint? firstTimestamp;
    private uint lastTimestamp;
    private uint? recentTimestamp;

    public required int LocalPort { get; init; }

    public required int RemotePort { get; init; }

    public required bool IsGuest { get; init; }

    public required bool Ipv6 { get; init; }

    public uint InitialSequence { get; set; }

    /// <summary>Where the timestamp clock of this connection stands at time 0.</summary>
    public uint ClockBase { get; init; }

    /// <summary>Segments refused because they echo a timestamp that this handshake has not sent.</summary>
    public int RefusedEchoes { get; private set; }

    public uint PeerInitial { get; private set; }

    public bool IsSynReceived { get; private set; }

    public bool IsSynAcked { get; private set; }

    public bool IsActive { get; init; }

    /// <summary>What the application wrote, and whether it wrote the last byte.</summary>
    public List<byte> Written { get; private set; } = [];

    public bool IsWriteClosed { get; set; }

    public List<byte> Read { get; private set; } = [];

    public bool IsReadClosed => finAt == Read.Count;

    public int AppRead { get; set; }

    // Stream offsets; the FIN counts as one byte.
    public int Acked { get; private set; }

    public int Sent { get; private set; }

    private int HighestSent { get; set; }

    public bool IsFinished => IsWriteClosed && Acked == Written.Count + 1 && IsReadClosed;

    private bool HasSentSyn { get; set; }

    public ModelConnection Clone()
    {
        var copy = (ModelConnection)MemberwiseClone();
        copy.early = new SortedDictionary<int, byte>(early);
        copy.Written = [.. Written];
        copy.Read = [.. Read];
        return copy;
    }

    /// <summary>Takes a segment; returns why it is wrong, or null.</summary>
    public string? Receive(in FrameView view, int now)
    {
        var flags = view.TcpFlags;
        if ((flags & TcpFlags.Rst) != 0)
        {
            return "reset";
        }
        if (!IsTimely(view))
        {
            ackPendingSince = IsSynReceived && ackPendingSince < 0 ? now : ackPendingSince;
            return null;
        }
        if ((flags & TcpFlags.Syn) != 0)
        {
            if (!IsSynReceived)
            {
                PeerInitial = view.Sequence.Value;
                IsSynReceived = true;
                lastProgress = now;
            }
            else if (PeerInitial != view.Sequence.Value)
            {
                // RFC 5961: answered by an acknowledgement, which is how a client teaches a survivor its numbers.
                ackPendingSince = ackPendingSince < 0 ? now : ackPendingSince;
                return null;
            }
            ackPendingSince = ackPendingSince < 0 ? now : ackPendingSince;
        }
        if ((flags & TcpFlags.Ack) != 0 && ReceiveAck(view, now) is { } wrong)
        {
            return wrong;
        }
        return IsSynReceived ? ReceiveData(view, now) : null;
    }

    // RFC 7323 as Linux has it: a handshake takes only an echo of what it has sent, and a timestamp from the past
    // drops the segment.
    private bool IsTimely(in FrameView view)
    {
        if (!TcpOptions.TryFindTimestamps(view.TcpOptions, out var at))
        {
            return true;
        }
        var value = BinaryPrimitives.ReadUInt32BigEndian(view.TcpOptions[at..]);
        var echo = BinaryPrimitives.ReadUInt32BigEndian(view.TcpOptions[(at + 4)..]);
        var isAnswer = (view.TcpFlags & TcpFlags.Ack) != 0 && !IsSynAcked;
        if (isAnswer && (firstTimestamp is not { } first || unchecked(echo - first > lastTimestamp - first)))
        {
            RefusedEchoes++;
            return false;
        }
        if (recentTimestamp is { } recent && unchecked((int)(value - recent)) < 0)
        {
            return false;
        }
        var isInOrder = (view.TcpFlags & TcpFlags.Syn) != 0 || unchecked((int)(view.Sequence.Value - PeerInitial - 1)) <= Read.Count;
        recentTimestamp = isInOrder ? value : recentTimestamp;
        return true;
    }

    /// <summary>Sends what it may and feels like sending.</summary>
    public void Output(Random random, int now, Action<byte[]> send)
    {
        if (!IsSynAcked || !IsSynReceived)
        {
            var mayAnswer = IsActive || IsSynReceived;
            if (mayAnswer && (!HasSentSyn || now - lastProgress > Rto))
            {
                HasSentSyn = true;
                lastProgress = now;
                var flags = IsSynReceived ? TcpFlags.Syn | TcpFlags.Ack : TcpFlags.Syn;
                ackPendingSince = -1;
                send(Build(InitialSequence, flags, [], random, now));
            }
            return;
        }
        var end = Written.Count + (IsWriteClosed ? 1 : 0);
        if (Acked < HighestSent && now - lastProgress > Rto)
        {
            lastProgress = now;
            Sent = Acked;
            SendOne(random, now, send, end);
            Sent = random.Next(2) == 0 ? Math.Max(Sent, HighestSent) : Sent;
        }
        for (var budget = random.Next(4); budget > 0 && Sent < end && Sent - Acked < FlightMax; budget--)
        {
            if (Acked == Sent)
            {
                lastProgress = now;
            }
            SendOne(random, now, send, end);
        }
        if (ackPendingSince >= 0 && (random.Next(3) == 0 || now - ackPendingSince > 40))
        {
            ackPendingSince = -1;
            send(Build(SequenceAt(Math.Max(Sent, HighestSent)), TcpFlags.Ack, [], random, now));
        }
    }

    private void SendOne(Random random, int now, Action<byte[]> send, int end)
    {
        var size = Math.Min(random.Next(8) == 0 ? random.Next(1, 4000) : random.Next(1, 700), end - Sent);
        var withFin = IsWriteClosed && Sent + size == end;
        var data = Written.GetRange(Sent, size - (withFin ? 1 : 0)).ToArray();
        ackPendingSince = -1;
        send(Build(SequenceAt(Sent), TcpFlags.Ack | (withFin ? TcpFlags.Fin : 0), data, random, now));
        Sent += size;
        HighestSent = Math.Max(HighestSent, Sent);
    }

    private uint SequenceAt(int offset) => unchecked(InitialSequence + 1 + (uint)offset);

    private string? ReceiveAck(in FrameView view, int now)
    {
        var offset = unchecked((int)(view.Acknowledgement.Value - InitialSequence - 1));
        if (offset < 0 || offset > HighestSent || !HasSentSyn)
        {
            return offset < 0 && IsSynAcked ? null : $"acknowledges {offset} of {HighestSent} bytes sent, own SYN {InitialSequence}";
        }
        IsSynAcked = true;
        if (offset > Acked)
        {
            Acked = offset;
            Sent = Math.Max(Sent, Acked);
            lastProgress = now;
        }
        var at = 0;
        while (TcpOptions.TryNext(view.TcpOptions, ref at, out var kind, out var body))
        {
            for (var edge = 0; kind == TcpOptions.Sack && edge < body.Length; edge += 4)
            {
                var sacked = unchecked((int)(BinaryPrimitives.ReadUInt32BigEndian(body[edge..]) - InitialSequence - 1));
                if (sacked < 0 || sacked > HighestSent)
                {
                    return $"SACK edge at {sacked} of {HighestSent} bytes sent";
                }
            }
        }
        return null;
    }

    private string? ReceiveData(in FrameView view, int now)
    {
        var start = unchecked((int)(view.Sequence.Value - PeerInitial - 1));
        if ((view.TcpFlags & TcpFlags.Syn) != 0)
        {
            start++;
        }
        var payload = view.Frame[view.PayloadOffset..view.End];
        for (var i = 0; i < payload.Length; i++)
        {
            var at = start + i;
            if (at < 0)
            {
                return $"byte at offset {at} before the stream";
            }
            var known = at < Read.Count ? Read[at] : early.TryGetValue(at, out var b) ? b : payload[i];
            if (known != payload[i])
            {
                return $"byte {at} of the stream was 0x{known:x2} and is now 0x{payload[i]:x2}";
            }
            if (at >= Read.Count)
            {
                early[at] = payload[i];
            }
        }
        if ((view.TcpFlags & TcpFlags.Fin) != 0)
        {
            var end = start + payload.Length;
            if (finAt is { } known && known != end)
            {
                return $"stream ended at {known} and now at {end}";
            }
            finAt = end;
        }
        while (early.Remove(Read.Count, out var next))
        {
            Read.Add(next);
        }
        if (payload.Length > 0 || (view.TcpFlags & TcpFlags.Fin) != 0)
        {
            ackPendingSince = ackPendingSince < 0 ? now : ackPendingSince;
        }
        return null;
    }

    private byte[] Build(uint sequence, TcpFlags flags, byte[] payload, Random random, int now)
    {
        var acknowledged = unchecked(PeerInitial + 1 + (uint)Read.Count + (IsReadClosed ? 1u : 0));
        var hasAck = (flags & TcpFlags.Ack) != 0;
        List<byte> options = [];
        AddTimestamps(options, random, now, hasAck);
        if (early.Count > 0 && (flags & TcpFlags.Syn) == 0)
        {
            var first = early.First().Key;
            var last = first;
            while (early.ContainsKey(last))
            {
                last++;
            }
            // An odd number of fillers puts the edges at an odd offset in some segments.
            options.AddRange(random.Next(2) == 0 ? [1] : [1, 1]);
            options.AddRange([5, 10, 0, 0, 0, 0, 0, 0, 0, 0]);
            var edges = new byte[8];
            BinaryPrimitives.WriteUInt32BigEndian(edges, unchecked(PeerInitial + 1 + (uint)first));
            BinaryPrimitives.WriteUInt32BigEndian(edges.AsSpan(4), unchecked(PeerInitial + 1 + (uint)last));
            options.RemoveRange(options.Count - 8, 8);
            options.AddRange(edges);
        }
        return TestFrames.Tcp(
            sequence, hasAck ? acknowledged : 0, flags, payload, LocalPort, RemotePort, IsGuest, [.. options], Ipv6,
            ipId: (ushort)random.Next(65536), ttl: (byte)random.Next(1, 255), window: (ushort)random.Next(65536));
    }

    private void AddTimestamps(List<byte> options, Random random, int now, bool hasAck)
    {
        lastTimestamp = unchecked(ClockBase + (uint)now);
        firstTimestamp ??= lastTimestamp;
        var numbers = new byte[8];
        BinaryPrimitives.WriteUInt32BigEndian(numbers, lastTimestamp);
        BinaryPrimitives.WriteUInt32BigEndian(numbers.AsSpan(4), hasAck ? recentTimestamp ?? 0 : 0);
        // An odd number of fillers puts the numbers at an odd offset in some segments.
        options.AddRange(random.Next(2) == 0 ? [1] : [1, 1]);
        options.AddRange([8, 10, .. numbers]);
    }
}
