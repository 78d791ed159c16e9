using System.Buffers;
using System.Buffers.Binary;

namespace Colo.Vmm.Block.Nbd;

/// <summary>
/// One client. Its thread negotiates, then reads requests, starts each on the device and answers those that
/// complete at once, many answers in one send when the client pipelines; other requests are answered by the thread
/// that completes them.
/// </summary>
internal sealed class NbdServerConnection(
    Stream stream, NbdServerOptions options, IReadOnlyDictionary<string, NbdExport> exports)
{
    public const uint AllocationContextId = 1;
    private const int BatchSize = 256 * 1024;

    /// <summary>Answers below this are copied together; larger ones are sent from where they are.</summary>
    private const int CopyMax = 64 * 1024;
    private const int ExtentsMax = 1024;

    private readonly Lock _outputLock = new();
    private readonly object _workLock = new();
    private readonly Stack<NbdServerRequest> _pool = new();
    private readonly byte[] _batch = GC.AllocateUninitializedArray<byte>(BatchSize, pinned: true);
    private readonly byte[] _extents = new byte[4 + (ExtentsMax * 8)];
    private Stream _link = Stream.Null;
    private LinkInput _input = null!;
    private bool _ended;
    private int _batched;
    private int _working;
    private long _workingBytes;
    private bool _structured;
    private bool _allocation;
    private volatile bool _broken;

    public NbdExport? Export { get; private set; }

    /// <summary>Ends the session from outside; the thread notices.</summary>
    public void Abort()
    {
        _broken = true;
        LinkStreams.Abort(stream);
    }

    /// <summary>Waits for the session's end.</summary>
    public void Join()
    {
        lock (_workLock)
        {
            while (!_ended)
            {
                System.Threading.Monitor.Wait(_workLock);
            }
        }
    }

    public void Run()
    {
        try
        {
            if (!Negotiate())
            {
                return;
            }

            while (!_broken && ReceiveRequest())
            {
            }
        }
        finally
        {
            Flush();

            // The device may still write into buffers of this session, and the export may be about to close.
            lock (_workLock)
            {
                while (_working > 0)
                {
                    System.Threading.Monitor.Wait(_workLock);
                }

                _ended = true;
                System.Threading.Monitor.PulseAll(_workLock);
            }

            LinkStreams.Abort(_link);
            LinkStreams.Abort(stream);
        }
    }

    private bool Negotiate()
    {
        var handshake = new NbdServerHandshake(stream, options, exports);
        bool opened;
        using (options.Time.CreateTimer(_ => Abort(), null, options.HandshakeTimeout, Timeout.InfiniteTimeSpan))
        {
            opened = handshake.Run();
        }

        _link = handshake.Link;
        _input = handshake.Input;
        _structured = handshake.StructuredReplies;
        _allocation = handshake.AllocationContext;
        Export = handshake.Export;

        // Who withdraws an export drops those that have it: either that one sees it here, or it is offered no more.
        Interlocked.MemoryBarrier();
        return opened && exports.TryGetValue(Export!.Name, out var offered) && ReferenceEquals(offered, Export);
    }

    private bool ReceiveRequest()
    {
        if (_input.Buffered < NbdProtocol.RequestSize)
        {
            Flush();
        }

        if (!_input.TryFill(NbdProtocol.RequestSize))
        {
            return false;
        }

        var header = _input.Take(NbdProtocol.RequestSize);
        if (BinaryPrimitives.ReadUInt32BigEndian(header) != NbdProtocol.RequestMagic)
        {
            return false;
        }

        var request = TakeRequest();
        request.Flags = BinaryPrimitives.ReadUInt16BigEndian(header[4..]);
        request.Type = BinaryPrimitives.ReadUInt16BigEndian(header[6..]);
        request.Cookie = BinaryPrimitives.ReadUInt64BigEndian(header[8..]);
        request.Offset = BinaryPrimitives.ReadInt64BigEndian(header[16..]);
        request.Length = BinaryPrimitives.ReadUInt32BigEndian(header[24..]);
        if (request.Type == NbdProtocol.CommandDisconnect)
        {
            return false;
        }

        var error = Check(request);
        if (request.Type == NbdProtocol.CommandWrite)
        {
            if (request.Length > NbdProtocol.PayloadMax)
            {
                return false;
            }

            if (!ReceivePayload(request, error))
            {
                Recycle(request);
                return false;
            }
        }

        if (error != 0)
        {
            AnswerError(request, error);
            Recycle(request);
            return true;
        }

        Start(request);
        return true;
    }

    private bool ReceivePayload(NbdServerRequest request, uint error)
    {
        if (_input.Buffered < request.Length)
        {
            Flush();
        }

        if (error != 0)
        {
            return _input.TrySkip(request.Length);
        }

        request.Buffer = ArrayPool<byte>.Shared.Rent(NbdServerRequest.HeaderRoom + (int)request.Length);
        return _input.TryReadInto(request.Payload.Span);
    }

    /// <summary>The error to answer before anything is done, or 0.</summary>
    private uint Check(NbdServerRequest request)
    {
        var allowed = request.Type switch
        {
            NbdProtocol.CommandRead => NbdProtocol.CommandFlagDontFragment,
            NbdProtocol.CommandWrite or NbdProtocol.CommandTrim => NbdProtocol.CommandFlagFua,
            NbdProtocol.CommandWriteZeroes => NbdProtocol.CommandFlagFua | NbdProtocol.CommandFlagNoHole,
            NbdProtocol.CommandBlockStatus => NbdProtocol.CommandFlagRequestOne,
            NbdProtocol.CommandFlush or NbdProtocol.CommandCache => 0,
            _ => -1,
        };

        // FUA on a command that doesn't write means nothing and is allowed once FUA is offered.
        if (allowed < 0 || (request.Flags & ~(allowed | NbdProtocol.CommandFlagFua)) != 0
            || (request.Has(NbdProtocol.CommandFlagDontFragment) && !_structured))
        {
            return NbdProtocol.ErrorInvalid;
        }

        if (request.Type == NbdProtocol.CommandFlush)
        {
            return request.Offset != 0 || request.Length != 0 ? NbdProtocol.ErrorInvalid : 0;
        }

        var writes = request.Type is NbdProtocol.CommandWrite or NbdProtocol.CommandTrim or NbdProtocol.CommandWriteZeroes;
        if (writes && !NbdServerHandshake.IsWritable(Export!))
        {
            return NbdProtocol.ErrorPermission;
        }

        if (request.Type == NbdProtocol.CommandBlockStatus && (!_allocation || request.Length == 0))
        {
            return NbdProtocol.ErrorInvalid;
        }

        if (request.Type is NbdProtocol.CommandRead or NbdProtocol.CommandCache && request.Length > NbdProtocol.PayloadMax)
        {
            return NbdProtocol.ErrorInvalid;
        }

        if (BlockRange.IsValid(request.Offset, request.Length, Export!.Device.SizeBytes))
        {
            return 0;
        }

        return request.Type == NbdProtocol.CommandWrite && BlockRange.IsValid(request.Offset, request.Length, long.MaxValue)
            ? NbdProtocol.ErrorNoSpace
            : NbdProtocol.ErrorInvalid;
    }

    private void Start(NbdServerRequest request)
    {
        if (request.Type is NbdProtocol.CommandBlockStatus or NbdProtocol.CommandCache)
        {
            AnswerQuery(request);
            Recycle(request);
            return;
        }

        if (request.Type == NbdProtocol.CommandRead)
        {
            if (TryAnswerHole(request))
            {
                Recycle(request);
                return;
            }

            request.Buffer = ArrayPool<byte>.Shared.Rent(NbdServerRequest.HeaderRoom + (int)request.Length);
        }

        ValueTask<BlockStatus> task;
        try
        {
            task = Submit(request);
        }
        catch (ObjectDisposedException)
        {
            task = new ValueTask<BlockStatus>(BlockStatus.IoError);
        }

        if (task.IsCompletedSuccessfully)
        {
            Answer(request, task.Result);
            Recycle(request);
            return;
        }

        lock (_workLock)
        {
            _working++;
            _workingBytes += request.Length;
        }

        _ = CompleteLaterAsync(request, task);
        WaitForRoom();
    }

    private ValueTask<BlockStatus> Submit(NbdServerRequest request)
    {
        var device = Export!.Device;
        var durable = request.Has(NbdProtocol.CommandFlagFua);
        switch (request.Type)
        {
            case NbdProtocol.CommandRead:
                return device.ReadAsync(request.Offset, request.Payload);
            case NbdProtocol.CommandWrite:
                return device.WriteAsync(request.Offset, request.Payload, durable);
            case NbdProtocol.CommandFlush:
                return device.FlushAsync();
            case NbdProtocol.CommandTrim:
                var trim = device.DiscardAsync(request.Offset, request.Length);
                return durable ? ThenFlushAsync(trim, device) : trim;
            default:
                var mayUnmap = !request.Has(NbdProtocol.CommandFlagNoHole);
                var zeroes = device.WriteZeroesAsync(request.Offset, request.Length, mayUnmap);
                return durable ? ThenFlushAsync(zeroes, device) : zeroes;
        }
    }

    private static async ValueTask<BlockStatus> ThenFlushAsync(ValueTask<BlockStatus> change, IBlockDevice device)
    {
        var status = await change.ConfigureAwait(false);
        return status == BlockStatus.Ok ? await device.FlushAsync().ConfigureAwait(false) : status;
    }

    private async Task CompleteLaterAsync(NbdServerRequest request, ValueTask<BlockStatus> task)
    {
        BlockStatus status;
        try
        {
            status = await task.ConfigureAwait(false);
        }
        catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException)
        {
            status = BlockStatus.IoError;
        }

        Answer(request, status);
        Flush();
        var bytes = request.Length;
        Recycle(request);
        lock (_workLock)
        {
            _working--;
            _workingBytes -= bytes;
            System.Threading.Monitor.PulseAll(_workLock);
        }
    }

    private void WaitForRoom()
    {
        lock (_workLock)
        {
            while (_working >= options.RequestsMax || (_working > 1 && _workingBytes > options.PayloadBytesMax))
            {
                System.Threading.Monitor.Wait(_workLock);
            }
        }
    }

    private void Answer(NbdServerRequest request, BlockStatus status)
    {
        if (status != BlockStatus.Ok)
        {
            AnswerError(request, NbdProtocol.ErrorOf(status));
        }
        else if (request.Type != NbdProtocol.CommandRead)
        {
            Span<byte> reply = stackalloc byte[NbdProtocol.SimpleReplySize];
            FormatSimple(reply, request.Cookie, 0);
            Send(reply);
        }
        else if (_structured)
        {
            // A read of nothing has no data chunk: chunks of length 0 are not allowed.
            var header = NbdProtocol.ChunkHeaderSize + 8;
            var whole = request.Buffer.AsSpan(NbdServerRequest.HeaderRoom - header, header + (int)request.Length);
            FormatChunk(
                whole,
                request.Length == 0 ? NbdProtocol.ChunkNone : NbdProtocol.ChunkOffsetData,
                request.Cookie,
                request.Length == 0 ? 0 : 8 + request.Length);
            BinaryPrimitives.WriteInt64BigEndian(whole[NbdProtocol.ChunkHeaderSize..], request.Offset);
            Send(request.Length == 0 ? whole[..NbdProtocol.ChunkHeaderSize] : whole);
        }
        else
        {
            var whole = request.Buffer.AsSpan(
                NbdServerRequest.HeaderRoom - NbdProtocol.SimpleReplySize,
                NbdProtocol.SimpleReplySize + (int)request.Length);
            FormatSimple(whole, request.Cookie, 0);
            Send(whole);
        }
    }

    private void AnswerError(NbdServerRequest request, uint error)
    {
        Span<byte> reply = stackalloc byte[NbdProtocol.ChunkHeaderSize + 6];
        if (_structured)
        {
            FormatChunk(reply, NbdProtocol.ChunkError, request.Cookie, 6);
            BinaryPrimitives.WriteUInt32BigEndian(reply[NbdProtocol.ChunkHeaderSize..], error);
            BinaryPrimitives.WriteUInt16BigEndian(reply[(NbdProtocol.ChunkHeaderSize + 4)..], 0);
            Send(reply);
        }
        else
        {
            FormatSimple(reply, request.Cookie, error);
            Send(reply[..NbdProtocol.SimpleReplySize]);
        }
    }

    private bool TryAnswerHole(NbdServerRequest request)
    {
        if (!_structured || request.Length < CopyMax || request.Has(NbdProtocol.CommandFlagDontFragment)
            || Export!.Device is not IBlockMap map || map.IsAllocated(request.Offset, out var end)
            || end < request.Offset + request.Length)
        {
            return false;
        }

        Span<byte> reply = stackalloc byte[NbdProtocol.ChunkHeaderSize + 12];
        FormatChunk(reply, NbdProtocol.ChunkOffsetHole, request.Cookie, 12);
        BinaryPrimitives.WriteInt64BigEndian(reply[NbdProtocol.ChunkHeaderSize..], request.Offset);
        BinaryPrimitives.WriteUInt32BigEndian(reply[(NbdProtocol.ChunkHeaderSize + 8)..], request.Length);
        Send(reply);
        return true;
    }

    private void AnswerQuery(NbdServerRequest request)
    {
        if (request.Type == NbdProtocol.CommandCache)
        {
            Answer(request, BlockStatus.Ok);
            return;
        }

        BinaryPrimitives.WriteUInt32BigEndian(_extents, AllocationContextId);
        var map = Export!.Device as IBlockMap;
        var count = 0;
        var end = request.Offset + request.Length;
        for (var at = request.Offset; at < end && count < (request.Has(NbdProtocol.CommandFlagRequestOne) ? 1 : ExtentsMax); count++)
        {
            var next = end;
            var data = map?.IsAllocated(at, out next) ?? true;
            next = Math.Min(next, end);
            var extent = _extents.AsSpan(4 + (count * 8));
            BinaryPrimitives.WriteUInt32BigEndian(extent, (uint)(next - at));
            BinaryPrimitives.WriteUInt32BigEndian(extent[4..], data ? 0 : NbdProtocol.StateHole | NbdProtocol.StateZero);
            at = next;
        }

        Span<byte> header = stackalloc byte[NbdProtocol.ChunkHeaderSize];
        var length = 4 + (count * 8);
        FormatChunk(header, NbdProtocol.ChunkBlockStatus, request.Cookie, (uint)length);
        lock (_outputLock)
        {
            Send(header);
            Send(_extents.AsSpan(0, length));
        }
    }

    private static void FormatSimple(Span<byte> reply, ulong cookie, uint error)
    {
        BinaryPrimitives.WriteUInt32BigEndian(reply, NbdProtocol.SimpleReplyMagic);
        BinaryPrimitives.WriteUInt32BigEndian(reply[4..], error);
        BinaryPrimitives.WriteUInt64BigEndian(reply[8..], cookie);
    }

    private static void FormatChunk(Span<byte> reply, ushort type, ulong cookie, uint length)
    {
        BinaryPrimitives.WriteUInt32BigEndian(reply, NbdProtocol.ChunkMagic);
        BinaryPrimitives.WriteUInt16BigEndian(reply[4..], NbdProtocol.ChunkFlagDone);
        BinaryPrimitives.WriteUInt16BigEndian(reply[6..], type);
        BinaryPrimitives.WriteUInt64BigEndian(reply[8..], cookie);
        BinaryPrimitives.WriteUInt32BigEndian(reply[16..], length);
    }

    private void Send(ReadOnlySpan<byte> data)
    {
        lock (_outputLock)
        {
            if (_batched + data.Length > BatchSize || data.Length > CopyMax)
            {
                FlushLocked();
            }

            if (data.Length > CopyMax)
            {
                _broken |= _broken || !LinkStreams.TryWrite(_link, data);
                return;
            }

            data.CopyTo(_batch.AsSpan(_batched));
            _batched += data.Length;
        }
    }

    private void Flush()
    {
        lock (_outputLock)
        {
            FlushLocked();
        }
    }

    private void FlushLocked()
    {
        if (_batched > 0)
        {
            _broken |= _broken || !LinkStreams.TryWrite(_link, _batch.AsSpan(0, _batched));
            _batched = 0;
        }
    }

    private NbdServerRequest TakeRequest()
    {
        lock (_pool)
        {
            return _pool.TryPop(out var pooled) ? pooled : new NbdServerRequest();
        }
    }

    private void Recycle(NbdServerRequest request)
    {
        if (request.Buffer is { } buffer)
        {
            request.Buffer = null;
            ArrayPool<byte>.Shared.Return(buffer);
        }

        lock (_pool)
        {
            _pool.Push(request);
        }
    }
}
