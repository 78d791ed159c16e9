using System.Buffers.Binary;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Tests.Checkpoint;

/// <summary>What happens to one frame, or to the stream from one byte on.</summary>
internal enum Tampering
{
    None,
    CutBefore,
    CutInside,
    CutAfter,
    FlipBit,
    Repeat,
    SwapWithNext,
    ReplayFirst,
    LieAboutEpoch,
    LieAboutOldEpoch,
    LieAboutOldTerm,
    LieAboutNewTerm,
    LieAboutLength,
    LieAboutType,
    LieInPayload,
}

/// <summary>
/// Damages what is written through it, frame by frame (the first one is the channel opening), also where a channel
/// sends two in one write; lies are signed again with right checksums.
/// </summary>
internal sealed class TamperStream : Stream
{
    private readonly Stream _inner;
    private readonly int _index;
    private readonly Tampering _tampering;
    private readonly Random _random;
    private readonly Action? _onWrite;
    private byte[]? _heldBack;
    private byte[]? _firstFrame;

    public TamperStream(Stream inner, int index, Tampering tampering, int seed, Action? onWrite = null)
    {
        _inner = inner;
        _index = index;
        _tampering = tampering;
        _random = new Random(seed);
        _onWrite = onWrite;
    }

    public int WriteCount { get; private set; }

    public long ByteCount { get; private set; }

    /// <summary>Number of bytes after which the stream ends; none when negative.</summary>
    public long CutAtByte { get; set; } = -1;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer) => _inner.Read(buffer);

    public override int Read(byte[] buffer, int offset, int count) => _inner.Read(buffer, offset, count);

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var length = FirstFrame(buffer);
            WriteFrame(buffer[..length]);
            buffer = buffer[length..];
        }
    }

    private static int FirstFrame(ReadOnlySpan<byte> buffer)
    {
        var isFrame = buffer.Length >= FrameHeader.Size
            && BinaryPrimitives.ReadUInt32LittleEndian(buffer) == FrameHeader.Magic;
        return isFrame
            ? Math.Min(buffer.Length, FrameHeader.Size + BinaryPrimitives.ReadInt32LittleEndian(buffer[8..]))
            : buffer.Length;
    }

    private void WriteFrame(ReadOnlySpan<byte> buffer)
    {
        var index = WriteCount++;
        var frame = buffer.ToArray();
        if (index == 1)
        {
            _firstFrame = frame;
        }

        if (CutAtByte >= 0 && ByteCount + frame.Length > CutAtByte)
        {
            _inner.Write(frame.AsSpan(0, (int)(CutAtByte - ByteCount)));
            Cut();
        }

        ByteCount += frame.Length;
        if (index == _index)
        {
            _onWrite?.Invoke();
        }

        if (_heldBack is { } held)
        {
            _heldBack = null;
            _inner.Write(frame);
            _inner.Write(held);
        }
        else if (index == _index && index > 0)
        {
            Tamper(frame);
        }
        else
        {
            _inner.Write(frame);
        }
    }

    public override void Flush() => _inner.Flush();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        _inner.Dispose();
        base.Dispose(disposing);
    }

    private void Tamper(byte[] frame)
    {
        switch (_tampering)
        {
            case Tampering.CutBefore:
                Cut();
                break;
            case Tampering.CutInside:
                _inner.Write(frame.AsSpan(0, _random.Next(1, frame.Length)));
                Cut();
                break;
            case Tampering.CutAfter:
                _inner.Write(frame);
                Cut();
                break;
            case Tampering.FlipBit:
                frame[_random.Next(frame.Length)] ^= (byte)(1 << _random.Next(8));
                _inner.Write(frame);
                break;
            case Tampering.Repeat:
                _inner.Write(frame);
                _inner.Write(frame);
                break;
            case Tampering.SwapWithNext:
                _heldBack = frame;
                break;
            case Tampering.ReplayFirst:
                _inner.Write(_firstFrame);
                _inner.Write(frame);
                break;
            default:
                Lie(frame);
                Sign(frame);
                _inner.Write(frame);
                break;
        }
    }

    private void Lie(byte[] frame)
    {
        switch (_tampering)
        {
            case Tampering.LieAboutEpoch:
                frame[24]++;
                break;
            case Tampering.LieAboutOldEpoch:
                frame[24]--;
                break;
            case Tampering.LieAboutOldTerm:
                frame[16]--;
                break;
            case Tampering.LieAboutNewTerm:
                frame[16]++;
                break;
            case Tampering.LieAboutLength:
                BinaryPrimitives.WriteInt32LittleEndian(frame.AsSpan(8), _random.Next(2) == 0 ? int.MaxValue : -5);
                break;
            case Tampering.LieAboutType:
                frame[4] = (byte)_random.Next(20);
                break;
            case Tampering.LieInPayload when frame.Length > FrameHeader.Size:
                LieInPayload(frame);
                break;
            default:
                break;
        }
    }

    /// <summary>Changes a number in the payload; page bytes themselves are left alone, nobody could know
    /// better.</summary>
    private void LieInPayload(byte[] frame)
    {
        var payload = frame.AsSpan(FrameHeader.Size);
        if ((FrameType)frame[4] is FrameType.PageChunk or FrameType.PagePrecopy)
        {
            var records = BinaryPrimitives.ReadUInt16LittleEndian(payload) * PageChunk.RecordSize;
            var place = _random.Next(PageChunk.HeaderSize + records);
            place = place < PageChunk.HeaderSize ? place : payload.Length - 1 - (place - PageChunk.HeaderSize);
            payload[place] ^= (byte)(1 << _random.Next(8));
        }
        else
        {
            payload[_random.Next(payload.Length)] ^= (byte)(1 << _random.Next(8));
        }
    }

    private static void Sign(byte[] frame)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(12), Crc32C.Compute(frame.AsSpan(FrameHeader.Size)));
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(44), Crc32C.Compute(frame.AsSpan(0, 44)));
    }

    private void Cut()
    {
        _inner.Dispose();
        throw new IOException("cut by the test");
    }
}
