using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Colo.Vmm.Block;
using Colo.Vmm.Devices.Virtio;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Devices.VirtioBlock;

/// <summary>
/// One request of the guest, from parsing to its status byte (virtio 1.2, section 5.2.6). Data goes through a buffer of
/// the host, so that a disk that answers late never writes into guest RAM behind the machine's back: the copy happens
/// on the machine's thread in <see cref="Finish"/>. Objects are reused.
/// </summary>
internal sealed class BlockRequest
{
    public const byte StatusOk = 0;
    public const byte StatusError = 1;
    public const byte StatusUnsupported = 2;

    /// <summary>Longest transfer in one request; Linux stays at 1.25 MiB by default.</summary>
    public const int TransferMax = 16 << 20;
    private const int HeaderSize = 16;
    private const int SectorSize = 512;
    private const int IdSize = 20;
    private const int RangeSize = 16;

    private readonly Action _continuation;
    private readonly Action<BlockRequest> _completed;
    private byte[]? _buffer;
    private int _length;
    private ValueTaskAwaiter<BlockStatus> _awaiter;
    private bool _waits;

    public BlockRequest(Action<BlockRequest> completed)
    {
        _completed = completed;
        _continuation = OnContinuation;
    }

    public DescriptorChain Chain { get; } = new();

    public BlockRequestType Type { get; private set; }

    /// <summary>Which life of the device the request belongs to; a reset starts a new one.</summary>
    public int Generation { get; set; }

    public int DataLength => _length;

    /// <summary>Set once the disk has answered.</summary>
    public BlockStatus Result { get; private set; }

    /// <summary>Whether the chain can carry a request at all: a readable header and a writable status byte.</summary>
    public bool IsWellFormed => Chain.ReadableLength >= HeaderSize && Chain.WritableLength >= 1;

    /// <summary>
    /// Starts the request. True: it is over and <see cref="Result"/> is set. False: the completion call will come, on
    /// any thread, unless it is waited for.
    /// </summary>
    public bool Execute(
        GuestRam ram, IBlockDevice disk, ReadOnlySpan<byte> serial, bool readOnly, bool writeThrough, bool waits)
    {
        _waits = waits;
        Span<byte> header = stackalloc byte[HeaderSize];
        Chain.TryRead(ram, 0, header);
        Type = (BlockRequestType)BinaryPrimitives.ReadUInt32LittleEndian(header);
        ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        _length = 0;
        switch (Type)
        {
            case BlockRequestType.Read:
                return TryPlace(disk, sector, Chain.WritableLength - 1, out long readOffset)
                    ? Await(disk.ReadAsync(readOffset, Buffer()))
                    : Fail(BlockStatus.OutOfRange);
            case BlockRequestType.Write:
                return readOnly ? Fail(BlockStatus.ReadOnly) : Write(ram, disk, sector, writeThrough);
            case BlockRequestType.Flush:
                return Await(disk.FlushAsync());
            case BlockRequestType.GetId:
                return GetId(serial);
            case BlockRequestType.Discard:
            case BlockRequestType.WriteZeroes:
                return readOnly ? Fail(BlockStatus.ReadOnly) : Clear(ram, disk);
            default:
                return Fail(BlockStatus.NotSupported);
        }
    }

    /// <summary>Copies data and status into the guest's buffers; returns the number of bytes written there.</summary>
    public uint Finish(GuestRam ram, out byte status)
    {
        status = Result switch
        {
            BlockStatus.Ok => StatusOk,
            BlockStatus.NotSupported => StatusUnsupported,
            _ => StatusError,
        };
        uint written = 1;
        if (Result == BlockStatus.Ok && Type is BlockRequestType.Read or BlockRequestType.GetId && _buffer is not null)
        {
            Chain.TryWrite(ram, 0, _buffer.AsSpan(0, _length));
            written += (uint)_length;
        }

        Abandon();
        Span<byte> statusByte = [status];
        Chain.TryWrite(ram, Chain.WritableLength - 1, statusByte);
        return written;
    }

    /// <summary>Gives the buffer back without touching guest RAM.</summary>
    public void Abandon()
    {
        if (_buffer is not null)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = null;
        }
    }

    private bool Write(GuestRam ram, IBlockDevice disk, ulong sector, bool writeThrough)
    {
        if (!TryPlace(disk, sector, Chain.ReadableLength - HeaderSize, out long offset))
        {
            return Fail(BlockStatus.OutOfRange);
        }

        Memory<byte> data = Buffer();
        Chain.TryRead(ram, HeaderSize, data.Span);
        return Await(disk.WriteAsync(offset, data, writeThrough));
    }

    private bool GetId(ReadOnlySpan<byte> serial)
    {
        if (Chain.WritableLength < IdSize + 1)
        {
            return Fail(BlockStatus.OutOfRange);
        }

        _length = IdSize;
        Span<byte> id = Buffer().Span;
        id.Clear();
        serial[..Math.Min(serial.Length, IdSize)].CopyTo(id);
        Result = BlockStatus.Ok;
        return true;
    }

    private bool Clear(GuestRam ram, IBlockDevice disk)
    {
        Span<byte> range = stackalloc byte[RangeSize];
        if (Chain.ReadableLength != HeaderSize + RangeSize)
        {
            return Fail(BlockStatus.OutOfRange);
        }

        Chain.TryRead(ram, HeaderSize, range);
        ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(range);
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(range[8..]);
        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(range[12..]);
        bool zeroes = Type == BlockRequestType.WriteZeroes;
        if ((flags & ~(zeroes ? 1u : 0u)) != 0)
        {
            return Fail(BlockStatus.NotSupported);
        }

        if (count > BlockDevice.ClearSectorsMax || !IsInside(disk, sector, (ulong)count * SectorSize))
        {
            return Fail(BlockStatus.OutOfRange);
        }

        long offset = (long)sector * SectorSize;
        long length = (long)count * SectorSize;
        return zeroes
            ? Await(disk.WriteZeroesAsync(offset, length, (flags & 1) != 0))
            : Await(disk.DiscardAsync(offset, length));
    }

    private bool TryPlace(IBlockDevice disk, ulong sector, ulong length, out long offset)
    {
        offset = 0;
        if (length > TransferMax || length % SectorSize != 0 || !IsInside(disk, sector, length))
        {
            return false;
        }

        offset = (long)sector * SectorSize;
        _length = (int)length;
        return true;
    }

    private static bool IsInside(IBlockDevice disk, ulong sector, ulong length)
    {
        ulong sectors = (ulong)disk.SizeBytes / SectorSize;
        return sector <= sectors && length / SectorSize <= sectors - sector;
    }

    private Memory<byte> Buffer()
    {
        _buffer = ArrayPool<byte>.Shared.Rent(Math.Max(_length, 1));
        return _buffer.AsMemory(0, _length);
    }

    private bool Fail(BlockStatus status)
    {
        Result = status;
        return true;
    }

    private bool Await(ValueTask<BlockStatus> task)
    {
        if (_waits && !task.IsCompleted)
        {
            Result = task.AsTask().GetAwaiter().GetResult();
            return true;
        }

        ValueTaskAwaiter<BlockStatus> awaiter = task.GetAwaiter();
        if (awaiter.IsCompleted)
        {
            Result = awaiter.GetResult();
            return true;
        }

        _awaiter = awaiter;
        awaiter.UnsafeOnCompleted(_continuation);
        return false;
    }

    private void OnContinuation()
    {
        Result = _awaiter.GetResult();
        _awaiter = default;
        _completed(this);
    }
}
