using System.Buffers.Binary;
using System.Security.Cryptography;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Block;

/// <summary>
/// The secondary's end of the disk link: applies the primary's frames in order and acknowledges them. Before the
/// first barrier the disk is the target of a resync: writes go straight to it. The first barrier starts the disk
/// buffer with its epoch; from then on writes go through the buffer. A frame that breaks the rules, of another
/// term, or that can't be carried out, ends the link with a reason; the buffer keeps what it has. Before the primary
/// changes anything it may ask what this disk is worth to it and has to adopt it (<see cref="DiskHandshake"/>). One
/// thread calls
/// <see cref="Run"/>. A flush is done when it has to be acknowledged, with all that have come by then: this disk may be
/// slower than the primary's, whose guest does not wait for it, and the next barrier stands behind them.
/// </summary>
public sealed class DiskLinkReceiver
{
    private const int AckEvery = 256 * 1024;
    private readonly Stream _stream;
    private readonly LinkInput _input;
    private readonly DiskBuffer _buffer;
    private readonly ResyncTarget _target;
    private readonly ulong _term;
    private readonly bool _shared;
    private readonly DirtyBitmap? _bitmap;
    private readonly byte[] _payload = GC.AllocateUninitializedArray<byte>(DiskLinkFrame.PayloadMax, pinned: true);
    private readonly byte[] _reply = new byte[DiskLinkFrame.Size + (HashesMax * SHA256.HashSizeInBytes)];
    private readonly byte[] _part = GC.AllocateUninitializedArray<byte>(DirtyBitmap.Granularity, pinned: true);
    private long _sequence;
    private long _acknowledged;
    private bool _greeted;
    private bool _flushDue;

    /// <summary>A receiver of one link. <paramref name="shared"/>: both hosts see one disk, so only originals and
    /// barriers come. <paramref name="bitmap"/>: this disk's, for the primary to ask what it names; without one the
    /// disk is in step with nobody.
    /// </summary>
    public DiskLinkReceiver(
        Stream stream, DiskBuffer buffer, ulong term, bool shared = false, DirtyBitmap? bitmap = null)
    {
        _stream = stream;
        _input = new LinkInput(stream);
        _buffer = buffer;
        _target = new ResyncTarget(buffer);
        _term = term;
        _shared = shared;
        _bitmap = bitmap;
    }

    /// <summary>Parts in one hash query at most.</summary>
    public const int HashesMax = 64;

    /// <summary>Parts that one answer about the disk's state names at most.</summary>
    public const int StatePartsMax = 8 * 1024;

    internal const int StateBytesMax = 16 + (StatePartsMax / 8);

    /// <summary>Called on the link's thread when a barrier's epoch is open: all earlier writes are applied.</summary>
    public Action<ulong>? BarrierArrived { get; set; }

    /// <summary>Shared disk: what this host reads as the disk's identity, at most 16 bytes, for the primary to compare;
    /// it stands in the answer about the state where a session would.</summary>
    public Func<byte[]>? Identity { get; set; }

    /// <summary>Why the link ended; empty while it runs.</summary>
    public string Failure { get; private set; } = "";

    /// <summary>Works until the link ends; says why in <see cref="Failure"/>. The stream is closed.</summary>
    public void Run()
    {
        while (Failure.Length == 0)
        {
            if (_input.Buffered < DiskLinkFrame.Size && Acknowledge() is { Length: > 0 } unanswered)
            {
                Failure = unanswered;
            }
            else if (!_input.TryFill(DiskLinkFrame.Size))
            {
                Failure = _input.Failure ?? "the primary closed the link";
            }
            else if (!DiskLinkFrame.TryParse(_input.Take(DiskLinkFrame.Size), out var frame))
            {
                Failure = "a frame's header is damaged";
            }
            else
            {
                Failure = Receive(in frame);
            }
        }

        LinkStreams.Abort(_stream);
    }

    private string Receive(in DiskLinkFrame frame)
    {
        if (frame.Term != _term)
        {
            return $"frame of term {frame.Term}, expected {_term}";
        }

        if (frame.Sequence != _sequence + DiskLinkFrame.Size + frame.PayloadLength)
        {
            return $"frame with sequence {frame.Sequence}, expected {_sequence + DiskLinkFrame.Size + frame.PayloadLength}";
        }

        var payload = _payload.AsSpan(0, frame.PayloadLength);
        if (!_input.TryReadInto(payload))
        {
            return _input.Failure ?? "the primary closed the link";
        }

        if (Crc32C.Compute(payload) != frame.PayloadCrc)
        {
            return $"the payload at {frame.Offset} is damaged";
        }

        if (!_greeted)
        {
            _greeted = frame.Type == DiskLinkType.Hello && frame.Length == _buffer.SizeBytes;
            if (!_greeted)
            {
                return $"{frame.Type} with size {frame.Length}, expected Hello with {_buffer.SizeBytes}";
            }
        }
        else
        {
            var status = Apply(in frame, payload);
            if (status != BlockStatus.Ok)
            {
                return Refuse($"{frame.Type} at {frame.Offset}, {frame.Length} bytes", status);
            }
        }

        _sequence = frame.Sequence;
        var urgent = frame.Type is DiskLinkType.Barrier or DiskLinkType.Original;
        return urgent || _sequence - _acknowledged >= AckEvery ? Acknowledge() : "";
    }

    private string Refuse(string what, BlockStatus status)
    {
        SendReply(new DiskLinkFrame(
            DiskLinkType.Failure, _term, 0, _sequence, (long)status, 0, 0, Crc32C.Compute(default)));
        return $"{what}: {status}";
    }

    private BlockStatus Apply(in DiskLinkFrame frame, ReadOnlySpan<byte> payload)
    {
        var isWrite = frame.Type is DiskLinkType.Write or DiskLinkType.Original;
        if (isWrite ? payload.Length != frame.Length : payload.Length != 0)
        {
            return BlockStatus.OutOfRange;
        }

        if (_shared && frame.Type is DiskLinkType.Write or DiskLinkType.WriteZeroes or DiskLinkType.HashQuery)
        {
            return BlockStatus.NotSupported;
        }

        // Only changes may come between a flush and its doing: a barrier begins another stage.
        if (frame.Type is not (DiskLinkType.Write or DiskLinkType.WriteZeroes or DiskLinkType.Flush)
            && FlushIfDue() is var flushed && flushed != BlockStatus.Ok)
        {
            return flushed;
        }

        var target = _buffer.Stage == DiskBufferStage.None;
        switch (frame.Type)
        {
            case DiskLinkType.Write:
                return target
                    ? _target.Write(frame.Offset, payload)
                    : _buffer.PrimaryWrite(frame.Epoch, frame.Offset, payload);
            case DiskLinkType.WriteZeroes:
                return target
                    ? _target.WriteZeroes(frame.Offset, frame.Length)
                    : _buffer.PrimaryWriteZeroes(frame.Epoch, frame.Offset, frame.Length, mayUnmap: true);
            case DiskLinkType.Original when _shared:
                return _buffer.KeepOriginal(frame.Epoch, frame.Offset, payload);
            case DiskLinkType.Flush:
                _flushDue = true;
                return BlockStatus.Ok;
            case DiskLinkType.Barrier:
                var status = target ? _buffer.Start(_term, frame.Epoch) : _buffer.Barrier(frame.Epoch);
                if (status == BlockStatus.Ok)
                {
                    BarrierArrived?.Invoke(frame.Epoch);
                }

                return status;
            case DiskLinkType.HashQuery:
                return AnswerHashes(in frame);
            case DiskLinkType.StateQuery:
                return AnswerState(in frame);
            case DiskLinkType.Adopt:
                var prepared = _buffer.PrepareTarget(_term);
                return prepared == BlockStatus.Ok && _bitmap is not null
                    ? _bitmap.Follow(new DiskSession(_term, (ulong)frame.Offset))
                    : prepared;
            default:
                return BlockStatus.NotSupported;
        }
    }

    private BlockStatus AnswerHashes(in DiskLinkFrame frame)
    {
        // In a pair the disk has every change of the primary's so far; this thread is the one that makes them.
        var stage = _buffer.Stage;
        if (!BlockRange.IsValid(frame.Offset, frame.Length, _buffer.SizeBytes)
            || stage is not (DiskBufferStage.None or DiskBufferStage.Running)
            || frame.Length > HashesMax * DirtyBitmap.Granularity || frame.Offset % DirtyBitmap.Granularity != 0)
        {
            return BlockStatus.OutOfRange;
        }

        var used = 0;
        for (long at = 0; at < frame.Length; at += DirtyBitmap.Granularity)
        {
            var part = _part.AsSpan(0, (int)Math.Min(DirtyBitmap.Granularity, frame.Length - at));
            var status = _buffer.Disk.Read(frame.Offset + at, part);
            if (status != BlockStatus.Ok)
            {
                return status;
            }

            used += SHA256.HashData(part, _reply.AsSpan(DiskLinkFrame.Size + used));
        }

        return SendAnswer(DiskLinkType.Hashes, in frame, used);
    }

    private BlockStatus AnswerState(in DiskLinkFrame frame)
    {
        if (!BlockRange.IsValid(frame.Offset, frame.Length, _buffer.SizeBytes) || _buffer.Stage != DiskBufferStage.None
            || frame.Length > (long)StatePartsMax * DirtyBitmap.Granularity
            || frame.Offset % DirtyBitmap.Granularity != 0)
        {
            return BlockStatus.OutOfRange;
        }

        var parts = (int)((frame.Length + DirtyBitmap.Granularity - 1) / DirtyBitmap.Granularity);
        var state = _reply.AsSpan(DiskLinkFrame.Size, 16 + ((parts + 7) / 8));
        state.Clear();
        if (_bitmap is not null)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(state, _bitmap.Session.Term);
            BinaryPrimitives.WriteUInt64LittleEndian(state[8..], _bitmap.Session.Number);
            _bitmap.CopyNamed((int)(frame.Offset / DirtyBitmap.Granularity), state[16..]);
        }
        else if (_shared && Identity?.Invoke() is { Length: <= 16 } identity)
        {
            identity.CopyTo(state);
        }

        return SendAnswer(DiskLinkType.State, in frame, state.Length);
    }

    private BlockStatus SendAnswer(DiskLinkType type, in DiskLinkFrame frame, int used)
    {
        var crc = Crc32C.Compute(_reply.AsSpan(DiskLinkFrame.Size, used));
        return SendReply(new DiskLinkFrame(
            type, _term, frame.Epoch, frame.Sequence, frame.Offset, frame.Length, used, crc))
            ? BlockStatus.Ok
            : BlockStatus.PeerLost;
    }

    private BlockStatus FlushIfDue()
    {
        if (!_flushDue)
        {
            return BlockStatus.Ok;
        }

        _flushDue = false;
        return _buffer.Stage == DiskBufferStage.None ? _target.Flush() : _buffer.PrimaryFlush();
    }

    /// <summary>Empty, or why the link ends.</summary>
    private string Acknowledge()
    {
        if (_acknowledged == _sequence)
        {
            return "";
        }

        if (FlushIfDue() is var flushed && flushed != BlockStatus.Ok)
        {
            return Refuse("Flush", flushed);
        }

        _acknowledged = _sequence;
        return SendReply(new DiskLinkFrame(DiskLinkType.Ack, _term, 0, _sequence, 0, 0, 0, Crc32C.Compute(default)))
            ? ""
            : "the link broke";
    }

    private bool SendReply(in DiskLinkFrame frame)
    {
        frame.Format(_reply);
        return LinkStreams.TryWrite(_stream, _reply.AsSpan(0, DiskLinkFrame.Size + frame.PayloadLength));
    }
}
