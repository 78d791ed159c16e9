using System.Buffers.Binary;

namespace Colo.Simulation;

/// <summary>One connection as the guest's TCP sees it. Streams are kept whole, so that the oracle can compare
/// them.</summary>
public sealed class GuestConnection
{
    public uint InitialSequence { get; init; }

    /// <summary>Initial number of the client.</summary>
    public uint ClientInitial { get; init; }

    public List<byte> Received { get; init; } = [];

    public List<byte> Sent { get; init; } = [];

    /// <summary>Bytes of <see cref="Sent"/> that the client has acknowledged.</summary>
    public int Acknowledged { get; set; }

    /// <summary>Bytes of <see cref="Received"/> that are consumed as requests.</summary>
    public int Consumed { get; set; }

    public long LastSendTime { get; set; }

    public uint AckNumber => unchecked(ClientInitial + 1 + (uint)Received.Count);

    public StreamView View() => new(InitialSequence, AckNumber, Sent);

    public GuestConnection Clone() => new()
    {
        InitialSequence = InitialSequence,
        ClientInitial = ClientInitial,
        Received = [.. Received],
        Sent = [.. Sent],
        Acknowledged = Acknowledged,
        Consumed = Consumed,
        LastSendTime = LastSendTime,
    };
}

/// <summary>What a guest does to the outside while it handles one input.</summary>
public interface IGuestHost
{
    /// <summary>A frame to the client.</summary>
    void Output(Frame frame);

    void WriteDisk(int sector, ulong value);

    ulong ReadDisk(int sector);

    /// <summary>What was written before is durable.</summary>
    void FlushDisk();

    /// <summary>Something that differs between replicas: timing, random numbers, scheduling.</summary>
    SeededRandom Noise { get; }

    /// <summary>How often replicas diverge, per mille of the occasions.</summary>
    int Divergence { get; }

    void GuestFault(string id, string what);
}

/// <summary>
/// A small deterministic key-value server over a small TCP, with a divergence dial. A request is 16 bytes (operation,
/// key, value); SET stores the value and a token that may differ between replicas, on disk and in memory, and answers
/// with the token; GET answers with value and token. So a client that ever gets two histories sees two tokens. Memory
/// and disk must agree whenever a GET looks: they belong to one history (S5). A SET is flushed before it is answered;
/// one that asks for it (operation 4) is not.
/// </summary>
public sealed class ModelGuest : IGuest
{
    public const int RequestBytes = 16;
    public const int AnswerBytes = 24;

    private const long RetransmitAfter = 200_000; // microseconds, the usual minimum of TCP stacks

    public SortedDictionary<long, GuestConnection> Connections { get; private init; } = [];

    public SortedDictionary<int, ulong> Memory { get; private init; } = [];

    /// <summary>Connections as they were at the last reboot: no part of its memory, but of its history.</summary>
    public SortedDictionary<long, GuestConnection> Past { get; private init; } = [];

    /// <summary>Frames that the network card has and the guest has not yet looked at: part of the machine's
    /// state.</summary>
    public Queue<Frame> Inbox { get; private init; } = new();

    public bool HasEnded { get; private set; }

    IEnumerable<Frame> IGuestView.Inbox => Inbox;

    public IEnumerable<(long Connection, StreamView Stream)> Streams =>
        Connections.Select(pair => (pair.Key, pair.Value.View()));

    public StreamView? Find(long connection) =>
        Connections.TryGetValue(connection, out GuestConnection? found) ? found.View() : null;

    public StreamView? FindPast(long connection) =>
        Past.TryGetValue(connection, out GuestConnection? found) ? found.View() : null;

    public ModelGuest Clone() => new()
    {
        Connections = new(Connections.ToDictionary(pair => pair.Key, pair => pair.Value.Clone())),
        Memory = new(Memory),
        Inbox = new(Inbox),
        Past = new(Past),
        HasEnded = HasEnded,
    };

    public void Reboot(IGuestHost host)
    {
        foreach ((long id, GuestConnection connection) in Connections)
        {
            Past[id] = connection;
        }

        Connections.Clear();
        Memory.Clear();
        Inbox.Clear();
        Boot(host);
    }

    public void End() => HasEnded = true;

    /// <summary>Reads everything back from the disk, as a server does that starts.</summary>
    public void Boot(IGuestHost host)
    {
        for (int sector = 0; sector < SimDisk.Sectors; sector++)
        {
            ulong value = host.ReadDisk(sector);
            if (value != 0)
            {
                Memory[sector] = value;
            }
        }
    }

    public ulong Digest()
    {
        TraceSink digest = new(keepStory: false);
        foreach ((int key, ulong value) in Memory)
        {
            digest.Mix(key);
            digest.Mix((long)value);
        }

        foreach ((long id, GuestConnection connection) in Connections)
        {
            digest.Mix(id);
            digest.Mix(connection.InitialSequence);
            digest.Mix(connection.Acknowledged);
            connection.Received.ForEach(value => digest.Mix(value));
            connection.Sent.ForEach(value => digest.Mix(value));
        }

        return digest.Hash;
    }

    public void Receive(Frame frame) => Inbox.Enqueue(frame);

    public bool HasWork(long now) => Inbox.Count > 0 && !HasEnded;

    public IGuestImage Capture(long epoch, bool full) => new ModelImage(this);

    public void Acknowledged(long epoch)
    {
    }

    public void Dispose()
    {
    }

    /// <summary>Handles the oldest input frame. Runs to completion, like a guest between two interrupts.</summary>
    public void Run(IGuestHost host, long now)
    {
        Frame frame = Inbox.Dequeue();
        if (frame.Kind == FrameKind.Syn)
        {
            OnSyn(frame, host, now);
            return;
        }

        if (frame.Kind == FrameKind.Reset)
        {
            Connections.Remove(frame.Connection);
            return;
        }

        if (!Connections.TryGetValue(frame.Connection, out GuestConnection? connection))
        {
            host.Output(new Frame(frame.Connection, FrameKind.Reset, frame.Ack, [], 0));
            return;
        }

        int acknowledged = unchecked((int)(frame.Ack - connection.InitialSequence - 1));
        if (acknowledged > connection.Sent.Count)
        {
            host.GuestFault("S1", $"client acknowledges {acknowledged} bytes of {frame.Connection}, the guest has sent {connection.Sent.Count}");
            return;
        }

        connection.Acknowledged = Math.Max(connection.Acknowledged, acknowledged);
        int offset = unchecked((int)(frame.Sequence - connection.ClientInitial - 1));
        if (offset > connection.Received.Count || frame.Payload.Length == 0)
        {
            return; // a hole: the client sends again
        }

        int known = connection.Received.Count - offset;
        if (known < frame.Payload.Length)
        {
            connection.Received.AddRange(frame.Payload[known..]);
        }

        Serve(frame.Connection, connection, host, now);
    }

    /// <summary>The retransmission timer.</summary>
    public void Tick(IGuestHost host, long now)
    {
        if (HasEnded)
        {
            return;
        }

        foreach ((long id, GuestConnection connection) in Connections)
        {
            if (host.Divergence > 0 && connection.Sent.Count > 0 && host.Noise.Chance(host.Divergence / 50))
            {
                Push(id, connection, host, now);
            }

            if (connection.Acknowledged < connection.Sent.Count && now - connection.LastSendTime >= RetransmitAfter)
            {
                connection.LastSendTime = now;
                int length = Math.Min(96, connection.Sent.Count - connection.Acknowledged);
                Send(id, connection, connection.Acknowledged, length, host);
            }
        }
    }

    private void OnSyn(Frame frame, IGuestHost host, long now)
    {
        if (!Connections.TryGetValue(frame.Connection, out GuestConnection? connection))
        {
            // Near the wrap of 32 bits, where unsigned comparisons go wrong; sometimes different on the two replicas.
            uint initial = unchecked((uint)-20 + (uint)(frame.Connection % 7));
            if (host.Divergence > 0 && host.Noise.Chance(host.Divergence))
            {
                initial = unchecked(initial + (uint)host.Noise.Below(1000));
            }

            connection = new GuestConnection
            {
                InitialSequence = initial,
                ClientInitial = frame.Sequence,
                LastSendTime = now,
            };
            Connections.Add(frame.Connection, connection);
        }

        host.Output(new Frame(frame.Connection, FrameKind.Syn, connection.InitialSequence, [], connection.AckNumber));
    }

    private void Serve(long id, GuestConnection connection, IGuestHost host, long now)
    {
        int before = connection.Sent.Count;
        while (connection.Received.Count - connection.Consumed >= RequestBytes)
        {
            byte[] request = [.. connection.Received.GetRange(connection.Consumed, RequestBytes)];
            connection.Consumed += RequestBytes;
            Execute(request, connection, host);
        }

        if (connection.Sent.Count == before)
        {
            Send(id, connection, connection.Sent.Count, 0, host); // only an acknowledgement
            return;
        }

        connection.LastSendTime = now;

        for (int from = before; from < connection.Sent.Count;)
        {
            // Replicas cut the same bytes into different segments.
            int most = host.Divergence > 0 ? (int)host.Noise.Between(7, 40) : 40;
            int length = Math.Min(most, connection.Sent.Count - from);
            Send(id, connection, from, length, host);
            from += length;
        }
    }

    private void Execute(byte[] request, GuestConnection connection, IGuestHost host)
    {
        int operation = BinaryPrimitives.ReadInt32LittleEndian(request);
        int key = BinaryPrimitives.ReadInt32LittleEndian(request.AsSpan(4));
        uint value = BinaryPrimitives.ReadUInt32LittleEndian(request.AsSpan(8));
        uint number = BinaryPrimitives.ReadUInt32LittleEndian(request.AsSpan(12));
        if (operation is 1 or 4)
        {
            bool diverges = host.Divergence > 0 && host.Noise.Chance(host.Divergence);
            uint token = diverges ? (uint)host.Noise.Next() : unchecked((value * 2654435761u) + number);
            Memory[key] = ((ulong)token << 32) | value;
            host.WriteDisk(key, Memory[key]);
            if (operation == 1)
            {
                host.FlushDisk();
            }
        }

        ulong stored = Memory.GetValueOrDefault(key);
        if (stored != host.ReadDisk(key))
        {
            host.GuestFault("S5", $"key {key}: memory {stored:x} against disk {host.ReadDisk(key):x}");
        }

        byte[] answer = new byte[AnswerBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(answer, number);
        BinaryPrimitives.WriteInt32LittleEndian(answer.AsSpan(4), operation);
        BinaryPrimitives.WriteUInt64LittleEndian(answer.AsSpan(8), stored);
        BinaryPrimitives.WriteInt32LittleEndian(answer.AsSpan(16), key);
        connection.Sent.AddRange(answer);
    }

    /// <summary>An unasked message, as a server sends that looks at its own clock: the other replica does not send it
    /// now.</summary>
    private static void Push(long id, GuestConnection connection, IGuestHost host, long now)
    {
        byte[] message = new byte[AnswerBytes];
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(4), 3);
        BinaryPrimitives.WriteUInt64LittleEndian(message.AsSpan(8), host.Noise.Next());
        connection.Sent.AddRange(message);
        connection.LastSendTime = now;
        Send(id, connection, connection.Sent.Count - AnswerBytes, AnswerBytes, host);
    }

    private static void Send(long id, GuestConnection connection, int offset, int length, IGuestHost host) =>
        host.Output(new Frame(id, FrameKind.Data, unchecked(connection.InitialSequence + 1 + (uint)offset),
            [.. connection.Sent.GetRange(offset, length)], connection.AckNumber));
}
