using System.Buffers.Binary;

namespace Colo.Vmm.Block.Nbd;

/// <summary>
/// One connection of the client. Whoever submits sends, unless somebody is at it: then that one takes the new
/// requests along, many in one send. The reader matches answers by cookie: place in the table, and a count so that
/// a late or invented answer meets no other request. A large write leaves straight from the caller's memory, which is
/// the caller's again when the request completes: an answer to it counts when all of it has left, whatever the server
/// says before.
/// </summary>
internal sealed class NbdClientLink
{
    private const int BatchSize = 256 * 1024;
    private const int CopyMax = 32 * 1024;
    private readonly NbdClient _owner;
    private readonly Stream _stream;
    private readonly LinkInput _input;
    private readonly bool _structured;
    private readonly NbdClientRequest?[] _table;
    private readonly uint[] _uses;
    private readonly Stack<int> _free = new();
    private readonly byte[] _batch = GC.AllocateUninitializedArray<byte>(BatchSize, pinned: true);
    private readonly Lock _lock = new();
    private bool _sending;
    private bool _dead;

    /// <summary>Place of the request that is leaving from the caller's memory, or -1, and what the server answered to it
    /// meanwhile.</summary>
    private int _leaving = -1;
    private BlockStatus? _answeredEarly;

    public NbdClientLink(NbdClient owner, NbdClientHandshake handshake, int requestsMax)
    {
        _owner = owner;
        _stream = handshake.Link;
        _input = handshake.Input;
        _structured = handshake.StructuredReplies;
        var places = Math.Clamp(requestsMax, 1, 4096);
        _table = new NbdClientRequest?[places];
        _uses = new uint[places];
        for (var i = places - 1; i >= 0; i--)
        {
            _free.Push(i);
        }
    }

    /// <summary>Why <see cref="Receive"/> ended.</summary>
    public string Failure { get; private set; } = "";

    public void Abort() => LinkStreams.Abort(_stream);

    /// <summary>Sends what waits, as far as there are places.</summary>
    public void SendWaiting()
    {
        while (true)
        {
            lock (_lock)
            {
                if (_sending)
                {
                    return;
                }

                _sending = true;
            }

            SendBatch();
            lock (_lock)
            {
                // Who queued while this one was leaving saw it at work and left the sending to it: look again.
                // Without a free place the reader comes back here with the next answer.
                _sending = false;
                if (_dead || _free.Count == 0 || !_owner.HasWaiting)
                {
                    return;
                }
            }
        }
    }

    public void SendDisconnect()
    {
        Span<byte> header = stackalloc byte[NbdProtocol.RequestSize];
        FormatHeader(header, NbdProtocol.CommandDisconnect, 0, 0, 0, 0);
        lock (_lock)
        {
            if (_sending)
            {
                // Somebody is in the middle of a message; a broken link says the same.
                return;
            }

            _sending = true;
        }

        _ = LinkStreams.TryWrite(_stream, header);
        lock (_lock)
        {
            _sending = false;
        }
    }

    /// <summary>Reads answers until the link breaks or the server breaks the rules.</summary>
    public void Receive()
    {
        var broken = false;
        while (!broken && _input.TryFill(4))
        {
            broken = !ReceiveAnswer(BinaryPrimitives.ReadUInt32BigEndian(_input.Take(4)));
        }

        Failure = _input.Failure ?? (broken ? "the server broke the protocol" : "the server closed the link");
        Abort();
    }

    /// <summary>After <see cref="Receive"/>: gives the unanswered requests back to the owner, the oldest place
    /// first.</summary>
    public void FailInFlight()
    {
        lock (_lock)
        {
            _dead = true;
            for (var place = _table.Length - 1; place >= 0; place--)
            {
                if (_table[place] is { } request)
                {
                    _table[place] = null;
                    _owner.PutBack(request);
                }
            }
        }
    }

    /// <summary>Sends the waiting requests, as many as there are places for.</summary>
    private void SendBatch()
    {
        var used = 0;
        while (TryPlace(out var source, out var header))
        {
            if (used + NbdProtocol.RequestSize + Math.Min(source.Length, CopyMax) > BatchSize)
            {
                _ = LinkStreams.TryWrite(_stream, _batch.AsSpan(0, used));
                used = 0;
            }

            header.Format(_batch.AsSpan(used));
            used += NbdProtocol.RequestSize;
            if (source.Length <= CopyMax)
            {
                source.Span.CopyTo(_batch.AsSpan(used));
                used += source.Length;
            }
            else
            {
                var left = LinkStreams.TryWrite(_stream, _batch.AsSpan(0, used))
                    && LinkStreams.TryWrite(_stream, source.Span);
                EndLeaving(left);
                used = 0;
            }
        }

        if (used > 0)
        {
            _ = LinkStreams.TryWrite(_stream, _batch.AsSpan(0, used));
        }
    }

    private bool TryPlace(out ReadOnlyMemory<byte> source, out Header header)
    {
        source = default;
        header = default;
        lock (_lock)
        {
            if (_dead || _free.Count == 0 || _owner.TakeWaiting() is not { } request)
            {
                return false;
            }

            var place = _free.Pop();
            _table[place] = request;
            _leaving = request.Source.Length > CopyMax ? place : -1;
            request.Received = 0;
            request.Error = 0;

            // Copies: a server that answers before it has the payload would have the request reused under our hands.
            source = request.Source;
            header = new Header(request.Type, request.Flags, CookieOf(place), request.Offset, request.Length);
            return true;
        }
    }

    /// <summary>The caller's memory is not looked at any more. Its answer may have been read before the thread that sent
    /// it came here, or have been a lie; after a failure the link ends, and with it the request.</summary>
    private void EndLeaving(bool left)
    {
        NbdClientRequest? answered = null;
        var status = BlockStatus.Ok;
        lock (_lock)
        {
            if (left && !_dead && _answeredEarly is { } early)
            {
                answered = _table[_leaving];
                status = early;
                Free(_leaving);
            }

            _leaving = -1;
            _answeredEarly = null;
        }

        answered?.Complete(status);
    }

    private ulong CookieOf(int place) => ((ulong)_uses[place] << 16) | (uint)place;

    private NbdClientRequest? Find(ulong cookie)
    {
        var place = (int)(cookie & 0xffff);
        lock (_lock)
        {
            var answered = place == _leaving && _answeredEarly is not null;
            return place < _table.Length && cookie == CookieOf(place) && !answered ? _table[place] : null;
        }
    }

    private void Finish(ulong cookie, NbdClientRequest request, BlockStatus status)
    {
        var place = (int)(cookie & 0xffff);
        lock (_lock)
        {
            if (place == _leaving)
            {
                _answeredEarly = status;
                return;
            }

            Free(place);
        }

        request.Complete(status);
        if (_owner.HasWaiting)
        {
            SendWaitingElsewhere();
        }
    }

    private void Free(int place)
    {
        _table[place] = null;
        _uses[place]++;
        _free.Push(place);
    }

    private void SendWaitingElsewhere() =>
        ThreadPool.UnsafeQueueUserWorkItem(static link => link.SendWaiting(), this, preferLocal: false);

    private bool ReceiveAnswer(uint magic) => magic switch
    {
        NbdProtocol.SimpleReplyMagic => ReceiveSimple(),
        NbdProtocol.ChunkMagic => ReceiveChunk(),
        _ => false,
    };

    private bool ReceiveSimple()
    {
        if (!_input.TryFill(12))
        {
            return false;
        }

        var rest = _input.Take(12);
        var error = BinaryPrimitives.ReadUInt32BigEndian(rest);
        var cookie = BinaryPrimitives.ReadUInt64BigEndian(rest[4..]);
        if (Find(cookie) is not { } request)
        {
            return false;
        }

        if (request.Type == NbdProtocol.CommandRead)
        {
            // With structured replies a read is never answered by a simple one.
            if (_structured || (error == 0 && !_input.TryReadInto(request.Destination.Span)))
            {
                return false;
            }
        }

        Finish(cookie, request, NbdProtocol.StatusOf(error));
        return true;
    }

    private bool ReceiveChunk()
    {
        if (!_structured || !_input.TryFill(16))
        {
            return false;
        }

        var rest = _input.Take(16);
        var flags = BinaryPrimitives.ReadUInt16BigEndian(rest);
        var type = BinaryPrimitives.ReadUInt16BigEndian(rest[2..]);
        var cookie = BinaryPrimitives.ReadUInt64BigEndian(rest[4..]);
        var length = BinaryPrimitives.ReadUInt32BigEndian(rest[12..]);
        if (Find(cookie) is not { } request || length > NbdProtocol.PayloadMax + 8
            || !TakeChunk(request, type, length))
        {
            return false;
        }

        if ((flags & NbdProtocol.ChunkFlagDone) != 0)
        {
            var whole = request.Type != NbdProtocol.CommandRead || request.Received == request.Length;
            Finish(cookie, request, request.Error != 0 || whole
                ? NbdProtocol.StatusOf(request.Error)
                : BlockStatus.IoError);
        }

        return true;
    }

    private bool TakeChunk(NbdClientRequest request, ushort type, uint length)
    {
        switch (type)
        {
            case NbdProtocol.ChunkNone:
                return length == 0;
            case NbdProtocol.ChunkOffsetData when request.Type == NbdProtocol.CommandRead && length > 8:
                if (!_input.TryFill(8))
                {
                    return false;
                }

                var at = BinaryPrimitives.ReadInt64BigEndian(_input.Take(8)) - request.Offset;
                return Covers(request, at, length - 8)
                    && _input.TryReadInto(request.Destination.Span.Slice((int)at, (int)(length - 8)));
            case NbdProtocol.ChunkOffsetHole when request.Type == NbdProtocol.CommandRead && length == 12:
                if (!_input.TryFill(12))
                {
                    return false;
                }

                var hole = _input.Take(12);
                var start = BinaryPrimitives.ReadInt64BigEndian(hole) - request.Offset;
                var size = BinaryPrimitives.ReadUInt32BigEndian(hole[8..]);
                if (!Covers(request, start, size))
                {
                    return false;
                }

                request.Destination.Span.Slice((int)start, (int)size).Clear();
                return true;
            default:
                return (type & NbdProtocol.ChunkErrorBit) != 0 && TakeError(request, length);
        }
    }

    private bool TakeError(NbdClientRequest request, uint length)
    {
        if (length is < 6 or > 8192 || !_input.TryFill((int)length))
        {
            return false;
        }

        var error = BinaryPrimitives.ReadUInt32BigEndian(_input.Take((int)length));
        request.Error = request.Error != 0 ? request.Error : error == 0 ? NbdProtocol.ErrorIo : error;
        return true;
    }

    private static bool Covers(NbdClientRequest request, long at, uint length)
    {
        if (at < 0 || at > request.Length || length > request.Length - at)
        {
            return false;
        }

        request.Received += length;
        return request.Received <= request.Length;
    }

    private static void FormatHeader(
        Span<byte> bytes, ushort type, ushort flags, ulong cookie, long offset, uint length)
    {
        BinaryPrimitives.WriteUInt32BigEndian(bytes, NbdProtocol.RequestMagic);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[4..], flags);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[6..], type);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], cookie);
        BinaryPrimitives.WriteInt64BigEndian(bytes[16..], offset);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[24..], length);
    }

    private readonly record struct Header(ushort Type, ushort Flags, ulong Cookie, long Offset, uint Length)
    {
        public void Format(Span<byte> bytes) => FormatHeader(bytes, Type, Flags, Cookie, Offset, Length);
    }
}
