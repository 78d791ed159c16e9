using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Block;

/// <summary>
/// The primary's end of the disk link. Frames go into a ring in the order of the calls; one thread sends them,
/// another reads the acknowledgements. The ring and what is unacknowledged are bounded by
/// <see cref="DiskLinkOptions.LagBytes"/>: a call that finds no room waits, whoever came first goes first, and when
/// nobody gets room for <see cref="DiskLinkOptions.StallTimeout"/> the link is lost, which is final. A false answer
/// always means lost.
/// </summary>
public sealed class DiskLinkSender : IDisposable
{
    private readonly Stream _stream;
    private readonly DiskLinkOptions _options;
    private readonly ulong _term;
    private readonly byte[] _ring;
    private readonly object _lock = new();
    private readonly List<Waiter> _waiters = [];
    private readonly ITimer _stall;
    private long _queued;
    private long _sent;
    private long _acknowledged;
    private int _waitForRoom;
    private ulong _epoch;
    private bool _stalled;
    private bool _lost;
    private Question? _question;

    /// <summary>Begins with a hello. <paramref name="epoch"/>: the one that the guest runs in.</summary>
    public DiskLinkSender(Stream stream, DiskLinkOptions options, ulong term, ulong epoch, long diskSizeBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.LagBytes, DiskLinkOptions.LagBytesMin);
        _stream = stream;
        _options = options;
        _term = term;
        _epoch = epoch;
        _ring = GC.AllocateUninitializedArray<byte>(options.LagBytes, pinned: true);
        _stall = options.Time.CreateTimer(_ => CheckStall(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _ = TryQueue(DiskLinkType.Hello, 0, diskSizeBytes, default, out _);
        StartThread(SendLoop, "disk link send");
        StartThread(ReceiveLoop, "disk link acks");
    }

    /// <summary>Called once, on any thread, when the link is lost, with the reason.</summary>
    public Action<string>? Lost { get; set; }

    /// <summary>Whether the link is lost.</summary>
    public bool IsLost
    {
        get
        {
            lock (_lock)
            {
                return _lost;
            }
        }
    }

    /// <summary>Why; empty before.</summary>
    public string LossReason { get; private set; } = "";

    /// <summary>Bytes that the secondary has not acknowledged, headers included.</summary>
    public long LagBytes
    {
        get
        {
            lock (_lock)
            {
                return _queued - _acknowledged;
            }
        }
    }

    /// <summary>The epoch that frames carry now.</summary>
    public ulong Epoch
    {
        get
        {
            lock (_lock)
            {
                return _epoch;
            }
        }
    }

    /// <summary>Queues a write; completes when it has a place in the order. The source is copied.</summary>
    public ValueTask<bool> WriteAsync(long offset, ReadOnlyMemory<byte> source) =>
        source.Length <= DiskLinkFrame.PayloadMax
            ? QueueAsync(DiskLinkType.Write, offset, source.Length, source)
            : WritePartsAsync(DiskLinkType.Write, offset, source);

    /// <summary>Queues zeroes of any length.</summary>
    public ValueTask<bool> WriteZeroesAsync(long offset, long length) =>
        QueueAsync(DiskLinkType.WriteZeroes, offset, length, default);

    /// <summary>Shared disk: completes when the secondary has the original content.</summary>
    public async ValueTask<bool> KeepOriginalAsync(long offset, ReadOnlyMemory<byte> original) =>
        await WritePartsAsync(DiskLinkType.Original, offset, original).ConfigureAwait(false)
        && await DrainAsync().ConfigureAwait(false);

    /// <summary>The capture of <paramref name="epoch"/>: later writes belong to it. The caller has stopped the
    /// guest's disk. Completes when the secondary has applied every earlier write.</summary>
    public async ValueTask<bool> BarrierAsync(ulong epoch)
    {
        bool queued;
        Task<bool>? room;
        lock (_lock)
        {
            if (_epoch > epoch)
            {
                return false;
            }

            // In one with its place in the order: nothing of the new epoch is before it, nothing of the old one behind.
            _epoch = epoch;
            queued = TryQueue(DiskLinkType.Barrier, 0, 0, default, out room);
        }

        return (queued || (room is not null && await room.ConfigureAwait(false)))
            && await DrainAsync().ConfigureAwait(false);
    }

    /// <summary>Queues a flush; completes when everything queued before is durable on the secondary.</summary>
    public async ValueTask<bool> FlushAsync() =>
        await QueueAsync(DiskLinkType.Flush, 0, 0, default).ConfigureAwait(false)
        && await DrainAsync().ConfigureAwait(false);

    /// <summary>The secondary's SHA-256 of each 64-KiB part of the range, 32 bytes each, as the disk is
    /// when everything queued before is applied. One call at a time.</summary>
    public async ValueTask<bool> HashAsync(long offset, long length, Memory<byte> hashes)
    {
        var parts = (length + DirtyBitmap.Granularity - 1) / DirtyBitmap.Granularity;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(parts, DiskLinkReceiver.HashesMax);
        ArgumentOutOfRangeException.ThrowIfLessThan(hashes.Length, parts * SHA256.HashSizeInBytes);
        var answer = hashes[..(int)(parts * SHA256.HashSizeInBytes)];
        return await AskAsync(DiskLinkType.HashQuery, offset, length, answer).ConfigureAwait(false);
    }

    /// <summary>What the secondary's disk is worth: its session in the first 16 bytes of the answer, then a bit for
    /// each part of the range that its bitmap names. Before <see cref="AdoptAsync"/>, one call at a time.</summary>
    public async ValueTask<bool> AskStateAsync(long offset, long length, Memory<byte> state)
    {
        var parts = (length + DirtyBitmap.Granularity - 1) / DirtyBitmap.Granularity;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(parts, DiskLinkReceiver.StatePartsMax);
        var answer = state[..(int)(16 + ((parts + 7) / 8))];
        return await AskAsync(DiskLinkType.StateQuery, offset, length, answer).ConfigureAwait(false);
    }

    /// <summary>The secondary's disk belongs to this session of the link's term, and may be changed. Before anything
    /// that changes it.</summary>
    public async ValueTask<bool> AdoptAsync(ulong number) =>
        await QueueAsync(DiskLinkType.Adopt, (long)number, 0, default).ConfigureAwait(false)
        && await DrainAsync().ConfigureAwait(false);

    /// <summary>Completes when everything queued before is acknowledged.</summary>
    public ValueTask<bool> DrainAsync()
    {
        lock (_lock)
        {
            return _lost ? new(false)
                : _acknowledged >= _queued ? new(true)
                : new(AddWaiter(acknowledged: _queued, room: 0));
        }
    }

    /// <summary>Gives the link up.</summary>
    public void Abort(string reason) => Lose(reason);

    /// <summary>Gives the link up without telling anybody.</summary>
    public void Dispose()
    {
        Lost = null;
        Lose("closed");
        _stall.Dispose();
    }

    private async ValueTask<bool> AskAsync(DiskLinkType type, long offset, long length, Memory<byte> answer)
    {
        var expected = type == DiskLinkType.HashQuery ? DiskLinkType.Hashes : DiskLinkType.State;
        var question = new Question(expected, offset, answer);
        lock (_lock)
        {
            if (_lost)
            {
                return false;
            }

            _question = question;
        }

        return await QueueAsync(type, offset, length, default).ConfigureAwait(false)
            && await question.Answered.Task.ConfigureAwait(false);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> QueueAsync(DiskLinkType type, long offset, long length, ReadOnlyMemory<byte> payload)
    {
        return TryQueue(type, offset, length, payload, out var room)
            || (room is not null && await room.ConfigureAwait(false));
    }

    private async ValueTask<bool> WritePartsAsync(DiskLinkType type, long offset, ReadOnlyMemory<byte> source)
    {
        for (var at = 0; at < source.Length; at += DiskLinkFrame.PayloadMax)
        {
            var part = source.Slice(at, Math.Min(DiskLinkFrame.PayloadMax, source.Length - at));
            if (!await QueueAsync(type, offset + at, part.Length, part).ConfigureAwait(false))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Puts a frame into the ring. False: it has its place in the order and is put there when there is
    /// <paramref name="room"/>, which says whether it came to that; lost when that is null.</summary>
    private bool TryQueue(
        DiskLinkType type, long offset, long length, ReadOnlyMemory<byte> payload, out Task<bool>? room)
    {
        room = null;
        var total = DiskLinkFrame.Size + payload.Length;
        var crc = Crc32C.Compute(payload.Span);
        lock (_lock)
        {
            if (_lost)
            {
                return false;
            }

            // What is unacknowledged includes what is not sent, so the ring can't overflow. Who waits already goes
            // first, or many small changes would keep a large one out until the link counts as lost.
            var frame = new DiskLinkFrame(type, _term, _epoch, 0, offset, length, payload.Length, crc);
            if (_waitForRoom > 0 || _queued - _acknowledged + total > _ring.Length)
            {
                room = AddWaiter(0, total, frame, payload);
                return false;
            }

            Put(frame, payload.Span);
            return true;
        }
    }

    /// <summary>There is room, and the lock is held.</summary>
    private void Put(in DiskLinkFrame frame, ReadOnlySpan<byte> payload)
    {
        Span<byte> header = stackalloc byte[DiskLinkFrame.Size];
        _queued += header.Length + payload.Length;
        (frame with { Sequence = _queued }).Format(header);
        CopyIn(_queued - payload.Length - header.Length, header);
        CopyIn(_queued - payload.Length, payload);
        System.Threading.Monitor.PulseAll(_lock);
    }

    private void CopyIn(long position, ReadOnlySpan<byte> data)
    {
        var at = (int)(position % _ring.Length);
        var first = Math.Min(data.Length, _ring.Length - at);
        data[..first].CopyTo(_ring.AsSpan(at));
        data[first..].CopyTo(_ring);
    }

    private Task<bool> AddWaiter(
        long acknowledged, int room, DiskLinkFrame frame = default, ReadOnlyMemory<byte> payload = default)
    {
        var source = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        var waiter = new Waiter(acknowledged, room, frame, payload, source);
        _waiters.Add(waiter);
        _waitForRoom += room > 0 ? 1 : 0;
        if (room > 0 && !_stalled)
        {
            _stalled = true;
            _stall.Change(_options.StallTimeout, Timeout.InfiniteTimeSpan);
        }

        return waiter.Source.Task;
    }

    private void CheckStall()
    {
        bool stalled;
        lock (_lock)
        {
            stalled = _stalled;
        }

        if (stalled)
        {
            Lose($"no room for a write in {_options.StallTimeout.TotalSeconds:0.###} s, {LagBytes} bytes unacknowledged");
        }
    }

    private void SendLoop()
    {
        while (true)
        {
            int at, count;
            lock (_lock)
            {
                while (_sent == _queued && !_lost)
                {
                    System.Threading.Monitor.Wait(_lock);
                }

                if (_lost)
                {
                    return;
                }

                at = (int)(_sent % _ring.Length);
                count = (int)Math.Min(Math.Min(_queued - _sent, _ring.Length - at), 1 << 20);
            }

            if (!LinkStreams.TryWrite(_stream, _ring.AsSpan(at, count)))
            {
                Lose("sending failed");
                return;
            }

            lock (_lock)
            {
                _sent += count;
            }
        }
    }

    private void ReceiveLoop()
    {
        var input = new LinkInput(_stream);
        var payload = new byte[DiskLinkReceiver.HashesMax * SHA256.HashSizeInBytes];
        var reason = "";
        while (reason.Length == 0)
        {
            if (!input.TryFill(DiskLinkFrame.Size))
            {
                reason = input.Failure ?? "the secondary closed the link";
            }
            else if (!DiskLinkFrame.TryParse(input.Take(DiskLinkFrame.Size), out var frame)
                || frame.Term != _term || frame.PayloadLength > payload.Length)
            {
                reason = "the secondary sent a damaged frame";
            }
            else if (!input.TryReadInto(payload.AsSpan(0, frame.PayloadLength)))
            {
                reason = input.Failure ?? "the secondary closed the link";
            }
            else
            {
                reason = Take(in frame, payload.AsSpan(0, frame.PayloadLength));
            }
        }

        Lose(reason);
    }

    private string Take(in DiskLinkFrame frame, ReadOnlySpan<byte> payload)
    {
        switch (frame.Type)
        {
            case DiskLinkType.Ack:
                return Acknowledge(frame.Sequence) ? "" : $"the secondary acknowledged {frame.Sequence}, never sent";
            case DiskLinkType.Failure:
                return $"the secondary failed with {(BlockStatus)Math.Min(frame.Offset, 255)}";
            case DiskLinkType.Hashes or DiskLinkType.State:
                Question? question;
                lock (_lock)
                {
                    question = _question;
                    _question = null;
                }

                if (question is null || question.Answer != frame.Type || question.Offset != frame.Offset
                    || payload.Length != question.Bytes.Length || Crc32C.Compute(payload) != frame.PayloadCrc)
                {
                    question?.Answered.TrySetResult(false);
                    return $"the secondary answered with {frame.Type} that nobody asked for";
                }

                payload.CopyTo(question.Bytes.Span);
                question.Answered.TrySetResult(true);
                return "";
            default:
                return $"the secondary sent {frame.Type}";
        }
    }

    private bool Acknowledge(long sequence)
    {
        lock (_lock)
        {
            if (sequence < _acknowledged || sequence > _sent)
            {
                // More than was sent, as far as the send call has returned: allow for the part that is being sent.
                if (sequence < _acknowledged || sequence > _queued)
                {
                    return false;
                }
            }

            _acknowledged = sequence;
            var kept = 0;
            var waited = _waitForRoom;
            _waitForRoom = 0;
            for (var i = 0; i < _waiters.Count; i++)
            {
                var waiter = _waiters[i];
                if (waiter.Room > 0 ? TryPut(waiter) : _acknowledged >= waiter.Acknowledged)
                {
                    waiter.Source.TrySetResult(true);
                    continue;
                }

                _waitForRoom += waiter.Room > 0 ? 1 : 0;
                _waiters[kept++] = waiter;
            }

            _waiters.RemoveRange(kept, _waiters.Count - kept);
            if (_stalled && _waitForRoom < waited)
            {
                _stalled = _waitForRoom > 0;
                _stall.Change(_stalled ? _options.StallTimeout : Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }

        return true;
    }

    /// <summary>Behind one that gets no room nobody gets any.</summary>
    private bool TryPut(Waiter waiter)
    {
        if (_waitForRoom > 0 || _queued - _acknowledged + waiter.Room > _ring.Length)
        {
            return false;
        }

        Put(waiter.Frame, waiter.Payload.Span);
        return true;
    }

    private void Lose(string reason)
    {
        Waiter[] waiters;
        Question? question;
        lock (_lock)
        {
            if (_lost)
            {
                return;
            }

            _lost = true;
            LossReason = reason;
            waiters = [.. _waiters];
            _waiters.Clear();
            question = _question;
            _question = null;
            System.Threading.Monitor.PulseAll(_lock);
        }

        LinkStreams.Abort(_stream);
        Lost?.Invoke(reason);
        foreach (var waiter in waiters)
        {
            waiter.Source.TrySetResult(false);
        }

        question?.Answered.TrySetResult(false);
    }

    private static void StartThread(ThreadStart run, string name) =>
        new Thread(run, 256 * 1024) { IsBackground = true, Name = name }.Start();

    private readonly record struct Waiter(
        long Acknowledged, int Room, DiskLinkFrame Frame, ReadOnlyMemory<byte> Payload,
        TaskCompletionSource<bool> Source);

    private sealed record Question(DiskLinkType Answer, long Offset, Memory<byte> Bytes)
    {
        public TaskCompletionSource<bool> Answered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
