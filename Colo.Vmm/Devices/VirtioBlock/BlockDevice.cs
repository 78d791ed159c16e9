using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Text;
using Colo.Vmm.Block;
using Colo.Vmm.Devices.Virtio;

namespace Colo.Vmm.Devices.VirtioBlock;

/// <summary>
/// Virtio disk (virtio 1.2, section 5.2): read, write, flush, get-id, discard and write-zeroes over an
/// <see cref="IBlockDevice"/>. Requests that the disk answers at once are finished within the notification; others stay
/// in flight and are finished when the machine services its devices. The machine waits for them before it counts as
/// paused. By instruction count the machine's thread waits for each request within the notification, so that a request
/// takes the same guest time, none, in every run. Without the driver's FLUSH feature every write is made durable before
/// it is answered.
/// A ring can refill itself: the guest may let a read write the ring's own index. So one look takes at most as many
/// requests as the ring has places, then the machine goes on and looks again; one that is about to stand takes none.
/// </summary>
internal sealed class BlockDevice : IVirtioFunction
{
    /// <summary>Longest discard or write-zeroes request, in sectors: 1 GiB.</summary>
    public const uint ClearSectorsMax = 2 << 20;
    private const ulong InFlightBytesMax = 64 << 20;
    private const ulong FeatureSegmentMax = 1ul << 2;
    private const ulong FeatureReadOnly = 1ul << 5;
    private const ulong FeatureBlockSize = 1ul << 6;
    private const ulong FeatureFlush = 1ul << 9;
    private const ulong FeatureDiscard = 1ul << 13;
    private const ulong FeatureWriteZeroes = 1ul << 14;
    private const int SectorSize = 512;

    private readonly IBlockDevice _disk;
    private readonly byte[] _serial;
    private readonly byte[] _config = new byte[60];
    private readonly Stack<BlockRequest> _free = new();
    private readonly ConcurrentQueue<BlockRequest> _completed = new();
    private readonly Action<BlockRequest> _onCompleted;
    private readonly bool _atOnce;
    private IVirtioTransport _transport = null!;
    private ulong _inFlightBytes;
    private bool _writeThrough;
    private int _generation;

    /// <summary>The queue may have requests that nobody has looked at: the next <see cref="Service"/> does.</summary>
    private bool _mayHaveMore;

    /// <param name="atOnce">Every request is finished within its notification, however long the disk takes.</param>
    public BlockDevice(IBlockDevice disk, string serial, bool readOnly = false, bool atOnce = false)
    {
        _disk = disk;
        _atOnce = atOnce;
        IsReadOnly = readOnly || disk.IsReadOnly;
        _serial = Encoding.ASCII.GetBytes(serial);
        _onCompleted = OnCompleted;
        Features = FeatureSegmentMax | FeatureBlockSize | FeatureFlush
            | (IsReadOnly ? FeatureReadOnly : FeatureDiscard | FeatureWriteZeroes);
        BinaryPrimitives.WriteUInt64LittleEndian(_config, CapacitySectors);
        BinaryPrimitives.WriteUInt32LittleEndian(_config.AsSpan(12), Virtqueue.SizeMax - 2);
        BinaryPrimitives.WriteUInt32LittleEndian(_config.AsSpan(20), SectorSize);
        BinaryPrimitives.WriteUInt32LittleEndian(_config.AsSpan(36), ClearSectorsMax);
        BinaryPrimitives.WriteUInt32LittleEndian(_config.AsSpan(40), 1);
        BinaryPrimitives.WriteUInt32LittleEndian(_config.AsSpan(44), 8);
        BinaryPrimitives.WriteUInt32LittleEndian(_config.AsSpan(48), ClearSectorsMax);
        BinaryPrimitives.WriteUInt32LittleEndian(_config.AsSpan(52), 1);
        _config[56] = 1;
    }

    public BlockMetrics Metrics { get; } = new();

    public uint DeviceId => 2;

    public ulong Features { get; }

    public int QueueCount => 1;

    public ReadOnlySpan<byte> Config => _config;

    public int RequestsInFlight { get; private set; }

    public ushort StateVersion => 1;

    public IBlockDevice Disk => _disk;

    public bool IsReadOnly { get; }

    public string Serial => Encoding.ASCII.GetString(_serial);

    private ulong CapacitySectors => (ulong)_disk.SizeBytes / SectorSize;

    public void Attach(IVirtioTransport transport) => _transport = transport;

    public void Start(ulong features) => _writeThrough = (features & FeatureFlush) == 0;

    public void Notify(int queueIndex) => Process();

    public void Service()
    {
        FinishAnswered();
        if (_mayHaveMore)
        {
            Process();
        }
    }

    /// <summary>Finishes what the disk has answered and takes nothing new: the machine is about to stand, and a guest
    /// could go on for ever. What waits in the queue waits for the next <see cref="Service"/>.</summary>
    public void FinishAnswered()
    {
        bool any = false;
        while (_completed.TryDequeue(out BlockRequest? request))
        {
            RequestsInFlight--;
            Finish(request);
            any = true;
        }

        _mayHaveMore |= any;
        if (any && _transport.IsRunning)
        {
            _transport.Signal(_transport.Queue(0));
        }
    }

    /// <summary>
    /// Requests in flight cannot be called back from the disk; they end later, and since the queue has been taken down
    /// by then only their buffers are given back.
    /// </summary>
    public void Reset()
    {
        _generation++;
        _writeThrough = false;
        _mayHaveMore = false;
    }

    public void Save(StateWriter writer) => writer.UInt64(CapacitySectors);

    public DeviceState? Decode(ref StateReader reader, ushort version)
    {
        ulong capacity = reader.UInt64("block.capacity");
        reader.Require(capacity == CapacitySectors, "block.capacity", capacity, $"{CapacitySectors} sectors");
        return reader.Failed ? null : new BlockState(capacity);
    }

    /// <summary>RAM may come later, so the queue is looked at when the machine runs: the image may have been made with
    /// requests in it.</summary>
    public void Restore(DeviceState state)
    {
        _mayHaveMore = true;
        _transport.Waker.Wake();
    }

    private void Process()
    {
        _mayHaveMore = false;
        if (!_transport.IsRunning)
        {
            return;
        }

        Virtqueue queue = _transport.Queue(0);
        for (int taken = 0; _transport.IsRunning && HasRoom(queue); taken++)
        {
            if (taken == queue.Size)
            {
                _mayHaveMore = true;
                _transport.Waker.Wake();
                break;
            }

            BlockRequest request = _free.Count > 0 ? _free.Pop() : new BlockRequest(_onCompleted);
            PopResult result = queue.TryPop(request.Chain);
            if (result == PopResult.Chain && request.IsWellFormed)
            {
                Execute(request);
                continue;
            }

            _free.Push(request);
            if (result == PopResult.Empty)
            {
                break;
            }

            _transport.Break(result == PopResult.Broken ? queue.Fault : "block request without header or status byte");
            return;
        }

        // Without room the next answer leads back here, and the driver need not tell of what cannot be taken yet.
        if (!_mayHaveMore && HasRoom(queue) && queue.RequestNotification())
        {
            _mayHaveMore = true;
            _transport.Waker.Wake();
        }

        _transport.Signal(queue);
    }

    /// <summary>A driver that waits for its answers never has more in flight than the ring has places, but nothing
    /// makes it wait, and flushes have no bytes.</summary>
    private bool HasRoom(Virtqueue queue) => RequestsInFlight < queue.Size && _inFlightBytes < InFlightBytesMax;

    private void Execute(BlockRequest request)
    {
        request.Generation = _generation;
        if (request.Execute(_transport.Ram, _disk, _serial, IsReadOnly, _writeThrough, _atOnce))
        {
            Complete(request);
            return;
        }

        RequestsInFlight++;
        _inFlightBytes += (ulong)request.DataLength;
    }

    private void OnCompleted(BlockRequest request)
    {
        _completed.Enqueue(request);
        _transport.Waker.Wake();
    }

    private void Finish(BlockRequest request)
    {
        _inFlightBytes -= (ulong)request.DataLength;
        if (request.Generation == _generation)
        {
            Complete(request);
        }
        else
        {
            request.Abandon();
            _free.Push(request);
        }
    }

    private void Complete(BlockRequest request)
    {
        Count(request);
        uint written = request.Finish(_transport.Ram, out byte status);
        Metrics.Errors += status == BlockRequest.StatusOk ? 0 : 1;
        _transport.Queue(0).Push(request.Chain.Head, written);
        _free.Push(request);
    }

    private void Count(BlockRequest request)
    {
        switch (request.Type)
        {
            case BlockRequestType.Read:
                Metrics.Reads++;
                Metrics.BytesRead += request.DataLength;
                break;
            case BlockRequestType.Write:
                Metrics.Writes++;
                Metrics.BytesWritten += request.DataLength;
                break;
            case BlockRequestType.Flush:
                Metrics.Flushes++;
                break;
            case BlockRequestType.GetId:
            case BlockRequestType.Discard:
            case BlockRequestType.WriteZeroes:
            default:
                break;
        }
    }
}
