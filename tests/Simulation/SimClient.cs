using System.Buffers.Binary;

namespace Colo.Simulation;

/// <summary>
/// One client: a TCP connection with unique values in its requests, which knows nothing of fail-over. It checks its own
/// view: one byte stream per connection, answers that fit the requests, and that what was answered once is answered so
/// again (S7, S8).
/// </summary>
public sealed class SimClient(SimWorld world, int index, SeededRandom random)
{
    private const int KeysPerClient = 6;
    private const long Retransmit = 220_000;

    private const long KeepAlive = 1_500_000;

    private readonly SortedDictionary<int, ulong> _known = [];
    private readonly SortedDictionary<int, SortedSet<uint>> _uncertain = [];

    /// <summary>What a key had since a write that was flushed: after a power cut it may have any of it.</summary>
    private readonly SortedDictionary<int, SortedSet<uint>> _unflushed = [];

    private readonly SeededRandom _flushes = world.Random($"client-flushes-{index}");
    private readonly List<byte> _sent = [];
    private readonly List<byte> _received = [];
    private readonly Queue<(int Operation, int Key, uint Value, uint Number)> _open = new();
    private int _attempt;
    private uint _initial;
    private uint? _serverInitial;
    private int _acknowledged;
    private int _parsed;
    private uint _number;
    private long _beginningsAtStart;
    private long _lastSend;
    private long _bootsAfterLoss;

    public int Answered { get; private set; }

    public int Resets { get; private set; }

    public bool Done => Answered + Resets >= world.Options.RequestsPerClient;

    public long LongestGap { get; private set; }

    private long _lastProgress;

    private long Connection => (index * 1_000_000L) + _attempt;

    public void Start()
    {
        Connect();
        world.Scheduler.After(random.Between(1_000, 100_000), Think);
        world.Scheduler.After(Retransmit, Tick);
    }

    public void OnFrame(Frame frame)
    {
        if (frame.Connection != Connection)
        {
            return; // an earlier connection's
        }

        switch (frame.Kind)
        {
            case FrameKind.Syn:
                OnSyn(frame);
                break;
            case FrameKind.Reset:
                OnReset();
                break;
            case FrameKind.Data:
                OnData(frame);
                break;
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }

    public string DescribeState => $"c{Connection} server {_serverInitial} sent {_sent.Count} acked {_acknowledged} received {_received.Count} open {_open.Count}";

    private void Connect()
    {
        _attempt++;
        _sent.Clear();
        _received.Clear();
        _open.Clear();
        (_serverInitial, _acknowledged, _parsed) = (null, 0, 0);
        _initial = unchecked((uint)-40 + (uint)random.Below(60));
        _beginningsAtStart = world.Beginnings;
        _lastProgress = world.Scheduler.Now;
        SendSyn();
    }

    private void SendSyn()
    {
        _lastSend = world.Scheduler.Now;
        world.Edge.FromClient(new Frame(Connection, FrameKind.Syn, _initial, [], 0));
    }

    private void Think()
    {
        if (Done)
        {
            return;
        }

        bool more = Answered + Resets + _open.Count < world.Options.RequestsPerClient;
        if (_serverInitial is not null && more && _open.Count < world.Options.Pipeline)
        {
            Issue();
        }

        world.Scheduler.After(random.Between(5_000, 120_000), Think);
    }

    private void Issue()
    {
        int operation = random.Chance(600) ? 1 : 2;
        int key = (index * KeysPerClient) + random.Below(KeysPerClient);
        uint number = ++_number;
        bool lazy = operation == 1 && world.CutsPower && !world.Options.InMachine && _flushes.Chance(500);
        operation = lazy ? 4 : operation;
        uint value = operation != 2 ? ((uint)index << 24) | number : 0;
        byte[] request = new byte[ModelGuest.RequestBytes];
        BinaryPrimitives.WriteInt32LittleEndian(request, operation);
        BinaryPrimitives.WriteInt32LittleEndian(request.AsSpan(4), key);
        BinaryPrimitives.WriteUInt32LittleEndian(request.AsSpan(8), value);
        BinaryPrimitives.WriteUInt32LittleEndian(request.AsSpan(12), number);
        _open.Enqueue((operation, key, value, number));
        int offset = _sent.Count;
        _sent.AddRange(request);
        // Sometimes in two segments, so that acknowledgements fall into the middle of requests.
        int first = random.Chance(300) ? random.Below(ModelGuest.RequestBytes - 1) + 1 : ModelGuest.RequestBytes;
        SendData(offset, first);
        if (first < ModelGuest.RequestBytes)
        {
            SendData(offset + first, ModelGuest.RequestBytes - first);
        }
    }

    private void SendData(int offset, int length)
    {
        _lastSend = world.Scheduler.Now;
        world.Edge.FromClient(new Frame(Connection, FrameKind.Data, unchecked(_initial + 1 + (uint)offset),
            [.. _sent.GetRange(offset, length)], AckNumber()));
    }

    private uint AckNumber() => unchecked(_serverInitial!.Value + 1 + (uint)_received.Count);

    private void Tick()
    {
        if (!Done)
        {
            bool late = world.Scheduler.Now - _lastSend >= Retransmit;
            if (_serverInitial is null && late)
            {
                SendSyn();
            }
            else if (late && _serverInitial is not null && _open.Count > 0 && _acknowledged == _sent.Count && world.Scheduler.Now - _lastProgress > KeepAlive)
            {
                SendData(_sent.Count, 0); // is the other side still there?
            }
            else if (late && _acknowledged < _sent.Count)
            {
                SendData(_acknowledged, Math.Min(64, _sent.Count - _acknowledged));
            }

            world.Scheduler.After(Retransmit / 2, Tick);
        }
    }

    private void OnSyn(Frame frame)
    {
        if (_serverInitial is { } known)
        {
            Require(known == frame.Sequence, "S7", $"second SYN of {Connection} with another number: {frame.Sequence} against {known}");
            return;
        }

        _serverInitial = frame.Sequence;
        Progress();
    }

    private void OnReset()
    {
        Require(world.Beginnings > _beginningsAtStart, "S7", $"reset of {Connection} although the guest's memory was never lost");
        foreach ((int operation, int key, uint value, uint _) in _open)
        {
            if (operation != 2)
            {
                Add(_uncertain, key, [value]);
            }

            Resets++;
        }

        if (!Done)
        {
            Connect();
        }
    }

    private void OnData(Frame frame)
    {
        if (_serverInitial is not { } initial)
        {
            return;
        }

        int acknowledged = unchecked((int)(frame.Ack - _initial - 1));
        Require(acknowledged <= _sent.Count, "S7", $"acknowledges {acknowledged} of {_sent.Count} bytes sent on {Connection}");
        _acknowledged = Math.Max(_acknowledged, acknowledged);
        int offset = unchecked((int)(frame.Sequence - initial - 1));
        if (offset > _received.Count)
        {
            return; // a hole: the server sends again
        }

        Require(offset >= 0, "S7", $"sequence {frame.Sequence} before the stream of {Connection} begins");
        for (int i = 0; i < frame.Payload.Length; i++)
        {
            if (offset + i < _received.Count)
            {
                Require(_received[offset + i] == frame.Payload[i], "S7", $"byte {offset + i} of {Connection} is rewritten");
            }
            else
            {
                _received.Add(frame.Payload[i]);
            }
        }

        while (_received.Count - _parsed >= ModelGuest.AnswerBytes)
        {
            Parse([.. _received.GetRange(_parsed, ModelGuest.AnswerBytes)]);
            _parsed += ModelGuest.AnswerBytes;
        }

        if (frame.Payload.Length > 0)
        {
            SendData(_sent.Count, 0);
        }
    }

    private void Parse(byte[] answer)
    {
        uint number = BinaryPrimitives.ReadUInt32LittleEndian(answer);
        int operation = BinaryPrimitives.ReadInt32LittleEndian(answer.AsSpan(4));
        ulong stored = BinaryPrimitives.ReadUInt64LittleEndian(answer.AsSpan(8));
        int key = BinaryPrimitives.ReadInt32LittleEndian(answer.AsSpan(16));
        if (operation == 3)
        {
            return; // unasked
        }

        world.Oracle.Count("S7");
        world.Oracle.Count("S8");
        Require(_open.Count > 0, "S7", $"answer {number} to nothing on {Connection}");
        (int Operation, int Key, uint Value, uint Number) request = _open.Dequeue();
        Require(request.Number == number && request.Operation == operation && request.Key == key, "S7",
            $"answer {number}/{operation}/{key} to request {request.Number}/{request.Operation}/{request.Key} on {Connection}");
        NoteLosses();
        if (operation != 2)
        {
            Require((uint)stored == request.Value, "S8", $"stored {(uint)stored:x} after writing {request.Value:x}");
            NoteWrite(operation, key);
            _uncertain.Remove(key);
        }
        else
        {
            ulong known = _known.GetValueOrDefault(key);
            bool fits = stored == known || (_uncertain.TryGetValue(key, out SortedSet<uint>? values)
                && (values.Contains((uint)stored) || (IsTorn && (uint)stored == (uint)known)));
            Require(fits, "S8", $"key {key} reads {stored:x}, was acknowledged as {known:x}");
            _uncertain.Remove(key);
        }

        _known[key] = stored;
        Answered++;
        Progress();
    }

    /// <summary>With a flush everything before is durable too.</summary>
    private void NoteWrite(int operation, int key)
    {
        if (operation == 1)
        {
            _unflushed.Clear();
            return;
        }

        Add(_unflushed, key, [(uint)_known.GetValueOrDefault(key)]);
        if (_uncertain.TryGetValue(key, out SortedSet<uint>? values))
        {
            Add(_unflushed, key, values);
        }
    }

    private void NoteLosses()
    {
        if (_bootsAfterLoss == world.BootsAfterLoss)
        {
            return;
        }

        _bootsAfterLoss = world.BootsAfterLoss;
        foreach ((int key, SortedSet<uint> values) in _unflushed)
        {
            Add(_uncertain, key, values);
            Add(_uncertain, key, [(uint)_known.GetValueOrDefault(key)]);
        }

        _unflushed.Clear();
    }

    /// <summary>Half of a write that was not flushed may stand on what was there before it.</summary>
    private bool IsTorn => world.BootsAfterLoss > 0;

    private static void Add(SortedDictionary<int, SortedSet<uint>> sets, int key, IEnumerable<uint> values)
    {
        if (!sets.TryGetValue(key, out SortedSet<uint>? known))
        {
            sets[key] = known = [];
        }

        known.UnionWith(values);
    }

    private void Progress()
    {
        LongestGap = Math.Max(LongestGap, world.Scheduler.Now - _lastProgress);
        _lastProgress = world.Scheduler.Now;
    }

    private static void Require(bool condition, string id, string what)
    {
        if (!condition)
        {
            throw new InvariantFailureException(id, what);
        }
    }
}
