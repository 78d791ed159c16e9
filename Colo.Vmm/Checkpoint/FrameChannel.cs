using System.Net.Sockets;
using System.Security.Authentication;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Checkpoint;

/// <summary>
/// One duplex stream of a checkpoint link: writes and reads whole frames, blocking. Writers may be several threads; the
/// reader is one. Nothing that the peer or the transport does leaves as an exception: the first failure is kept, closes
/// the stream and is what every later call returns.
/// </summary>
internal sealed class FrameChannel : IDisposable
{
    // A read may take this much of what follows, so that a short frame does not cost a read of its own: a header and
    // the longest payload of the frames that come with every checkpoint.
    private const int AheadMax = FrameHeader.Size + VmStateSize.Size;

    private readonly Stream _stream;
    private readonly Lock _writeLock = new();
    private readonly byte[] _smallFrame = new byte[FrameHeader.Size + 1024];
    private readonly byte[] _ahead = new byte[AheadMax];
    private int _aheadCount;
    private byte[] _together = [];
    private byte[] _payload = [];
    private ulong _nextOut;
    private ulong _nextIn;
    private long _bytesWritten;
    private int _failure;

    public FrameChannel(Stream stream)
    {
        _stream = stream;
    }

    /// <summary>The first failure; <see cref="LinkFailure.None"/> while the channel works.</summary>
    public LinkFailure Failure => (LinkFailure)Volatile.Read(ref _failure);

    public long BytesWritten => Volatile.Read(ref _bytesWritten);

    /// <summary>Bytes that this channel has allocated for payloads; bounded by <see cref="FrameLimits"/>.</summary>
    public int BufferBytes => _payload.Length;

    public void Dispose() => Fail(LinkFailure.Closed);

    /// <summary>Keeps the first failure and closes the stream, which also wakes a blocked reader or writer.</summary>
    public LinkFailure Fail(LinkFailure failure)
    {
        if (Interlocked.CompareExchange(ref _failure, (int)failure, 0) == 0)
        {
            try
            {
                _stream.Dispose();
            }
            catch (Exception e) when (IsTransport(e))
            {
                // The stream was broken already; it is closed either way.
            }
        }

        return Failure;
    }

    /// <summary>Sends a frame whose payload is small enough to be copied (at most 1024 bytes), or in its own
    /// write.</summary>
    public bool TryWrite(FrameType type, CheckpointStamp stamp, ReadOnlySpan<byte> payload)
    {
        lock (_writeLock)
        {
            if (payload.Length <= _smallFrame.Length - FrameHeader.Size)
            {
                Put(type, stamp, payload, _smallFrame);
                return WriteRaw(_smallFrame.AsSpan(0, FrameHeader.Size + payload.Length));
            }

            new FrameHeader(type, payload.Length, Crc32C.Compute(payload), stamp, _nextOut++).Write(_smallFrame);
            return WriteRaw(_smallFrame.AsSpan(0, FrameHeader.Size)) && WriteRaw(payload);
        }
    }

    /// <summary>Sends three frames in one write, so that the peer's reader wakes once for all; the last one is left out
    /// when it would have no payload.</summary>
    public bool TryWriteTogether(
        CheckpointStamp stamp, FrameType first, ReadOnlySpan<byte> firstPayload, FrameType second,
        ReadOnlySpan<byte> secondPayload, FrameType last, ReadOnlySpan<byte> lastPayload)
    {
        lock (_writeLock)
        {
            var length = (lastPayload.IsEmpty ? 2 : 3) * FrameHeader.Size + firstPayload.Length + secondPayload.Length
                + lastPayload.Length;
            if (_together.Length < length)
            {
                // All payloads are within the limits of their types, so this is bounded.
                _together = GC.AllocateUninitializedArray<byte>(length);
            }

            var rest = Put(second, stamp, secondPayload, Put(first, stamp, firstPayload, _together));
            if (!lastPayload.IsEmpty)
            {
                Put(last, stamp, lastPayload, rest);
            }

            return WriteRaw(_together.AsSpan(0, length));
        }
    }

    /// <summary>
    /// Sends a frame that stands in <paramref name="frame"/> behind <see cref="FrameHeader.Size"/> free bytes, in
    /// one write; <paramref name="payloadCrc"/> is that of what is behind them.
    /// </summary>
    public bool TryWriteInPlace(FrameType type, CheckpointStamp stamp, Span<byte> frame, uint payloadCrc)
    {
        lock (_writeLock)
        {
            var length = frame.Length - FrameHeader.Size;
            new FrameHeader(type, length, payloadCrc, stamp, _nextOut++).Write(frame);
            return WriteRaw(frame);
        }
    }

    /// <summary>As the other, with a second frame in the same write: it goes to the end of
    /// <paramref name="frame"/>, where there is room for it.</summary>
    public bool TryWriteInPlace(
        FrameType type, CheckpointStamp stamp, Span<byte> frame, uint payloadCrc, FrameType second,
        ReadOnlySpan<byte> secondPayload)
    {
        lock (_writeLock)
        {
            var length = frame.Length - 2 * FrameHeader.Size - secondPayload.Length;
            new FrameHeader(type, length, payloadCrc, stamp, _nextOut++).Write(frame);
            Put(second, stamp, secondPayload, frame[(FrameHeader.Size + length)..]);
            return WriteRaw(frame);
        }
    }

    /// <summary>Sends bytes outside any frame: the channel opening.</summary>
    public bool WriteRaw(ReadOnlySpan<byte> bytes)
    {
        if (Failure != LinkFailure.None)
        {
            return false;
        }

        try
        {
            _stream.Write(bytes);
            Volatile.Write(ref _bytesWritten, _bytesWritten + bytes.Length);
            return true;
        }
        catch (Exception e) when (IsTransport(e))
        {
            Fail(LinkFailure.TransportError);
            return false;
        }
    }

    /// <summary>
    /// Waits for the next frame. <paramref name="payload"/> is valid until the next call. On a failure the channel is
    /// closed and the failure returned; nothing of the bad frame is handed out.
    /// </summary>
    public LinkFailure Read(out FrameHeader header, out ReadOnlySpan<byte> payload)
    {
        var failure = ReadUnverified(out header, out payload);
        if (failure == LinkFailure.None && Crc32C.Compute(payload) != header.PayloadCrc)
        {
            payload = default;
            failure = Fail(LinkFailure.BadChecksum);
        }

        return failure;
    }

    /// <summary>As <see cref="Read"/>, but the payload's checksum is left to the caller, who has to look at the bytes
    /// anyway and answers a wrong one with <see cref="Fail"/>.</summary>
    public LinkFailure ReadUnverified(out FrameHeader header, out ReadOnlySpan<byte> payload)
    {
        payload = default;
        header = default;
        var failure = ReadOver(_ahead, ref _aheadCount, FrameHeader.Size, LinkFailure.Closed);
        if (failure == LinkFailure.None)
        {
            failure = FrameHeader.TryRead(_ahead, out header);
        }

        if (failure == LinkFailure.None && header.Sequence != _nextIn)
        {
            failure = LinkFailure.BadSequence;
        }

        if (failure != LinkFailure.None)
        {
            return Fail(failure);
        }

        _nextIn++;
        var length = header.PayloadLength;
        if (_payload.Length < length + AheadMax)
        {
            // The length has passed the limit of its type, so this is bounded.
            _payload = GC.AllocateUninitializedArray<byte>((length + AheadMax + 4095) & ~4095);
        }

        var filled = _aheadCount - FrameHeader.Size;
        _ahead.AsSpan(FrameHeader.Size, filled).CopyTo(_payload);
        failure = ReadOver(_payload.AsSpan(0, length + AheadMax), ref filled, length, LinkFailure.Truncated);
        if (failure != LinkFailure.None)
        {
            return Fail(failure);
        }

        _aheadCount = filled - length;
        _payload.AsSpan(length, _aheadCount).CopyTo(_ahead);
        payload = _payload.AsSpan(0, length);
        return LinkFailure.None;
    }

    /// <summary>Fills <paramref name="target"/>; <paramref name="atStart"/> is the verdict on an end before its first
    /// byte. Not to be mixed with frames.</summary>
    public LinkFailure ReadRaw(Span<byte> target, LinkFailure atStart)
    {
        var filled = 0;
        return ReadOver(target, ref filled, target.Length, atStart);
    }

    /// <summary>Reads until at least <paramref name="least"/> bytes are in <paramref name="target"/>, and more only if
    /// they come with them.</summary>
    private LinkFailure ReadOver(Span<byte> target, ref int filled, int least, LinkFailure atStart)
    {
        while (filled < least)
        {
            int count;
            try
            {
                count = _stream.Read(target[filled..]);
            }
            catch (Exception e) when (IsTransport(e))
            {
                return Failure == LinkFailure.None ? LinkFailure.TransportError : Failure;
            }

            if (count <= 0)
            {
                return filled == 0 ? atStart : LinkFailure.Truncated;
            }

            filled += count;
        }

        return LinkFailure.None;
    }

    /// <summary>Writes the next frame to the beginning of <paramref name="target"/>; returns what is behind
    /// it.</summary>
    private Span<byte> Put(FrameType type, CheckpointStamp stamp, ReadOnlySpan<byte> payload, Span<byte> target)
    {
        new FrameHeader(type, payload.Length, Crc32C.Compute(payload), stamp, _nextOut++).Write(target);
        payload.CopyTo(target[FrameHeader.Size..]);
        return target[(FrameHeader.Size + payload.Length)..];
    }

    /// <summary>What streams of sockets, pipes and TLS throw when the other side or we ourselves have closed.</summary>
    private static bool IsTransport(Exception e) => e
        is IOException or SocketException or ObjectDisposedException or OperationCanceledException
        or InvalidOperationException or AuthenticationException;
}
