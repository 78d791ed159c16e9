using System.Buffers.Binary;
using Colo.Vmm.Devices.Virtio;
using Colo.Vmm.Net;

namespace Colo.Vmm.Devices.VirtioNet;

/// <summary>
/// Virtio network card (virtio 1.2, section 5.1): one receive and one transmit queue, mergeable receive buffers, MAC,
/// MTU and link status. Checksum offload is offered only on request, because replication compares packets as the guest
/// made them; when the driver takes it, the checksum is completed here, so what leaves is always a whole packet.
/// Frames from the world wait in a bounded queue while the machine is paused or the guest has no buffers.
/// </summary>
internal sealed class NetDevice : IVirtioFunction
{
    public const int FrameSizeMax = 65550;
    private const int HeaderSize = 12;
    private const int NumBuffersOffset = 10;
    private const int ReceiveQueue = 0;
    private const int TransmitQueue = 1;
    private const int QueueBytes = 1 << 20;
    private const ulong FeatureChecksum = 1ul << 0;
    private const ulong FeatureMtu = 1ul << 3;
    private const ulong FeatureMac = 1ul << 5;
    private const ulong FeatureMergeableBuffers = 1ul << 15;
    private const ulong FeatureStatus = 1ul << 16;

    private readonly INetworkBackend _backend;
    private readonly FrameQueue _arrived = new(QueueBytes);
    private readonly byte[] _config = new byte[12];
    private readonly byte[] _initialMac;
    private readonly byte[] _transmitBuffer = new byte[FrameSizeMax];
    private readonly byte[] _receiveBuffer = new byte[HeaderSize + FrameSizeMax];
    private readonly DescriptorChain _chain = new();
    private readonly DescriptorChain _firstChain = new();
    private readonly ushort[] _heads = new ushort[Virtqueue.SizeMax];
    private readonly uint[] _written = new uint[Virtqueue.SizeMax];
    private IVirtioTransport _transport = null!;
    private ulong _features;

    public NetDevice(INetworkBackend backend, ReadOnlySpan<byte> macAddress, int mtu, bool offerChecksum)
    {
        _backend = backend;
        _initialMac = macAddress.ToArray();
        Features = FeatureMtu | FeatureMac | FeatureMergeableBuffers | FeatureStatus | (offerChecksum ? FeatureChecksum : 0);
        macAddress.CopyTo(_config);
        BinaryPrimitives.WriteUInt16LittleEndian(_config.AsSpan(6), 1);
        BinaryPrimitives.WriteUInt16LittleEndian(_config.AsSpan(8), 1);
        BinaryPrimitives.WriteUInt16LittleEndian(_config.AsSpan(10), (ushort)mtu);
    }

    public NetMetrics Metrics { get; } = new();

    public uint DeviceId => 1;

    public ulong Features { get; }

    public int QueueCount => 2;

    public ReadOnlySpan<byte> Config => _config;

    public int RequestsInFlight => 0;

    public ushort StateVersion => 2;

    public void Attach(IVirtioTransport transport)
    {
        _transport = transport;
        _backend.Delivered = transport.Waker.Wake;
        _backend.Received = Receive;
    }

    public void Start(ulong features) => _features = features;

    public void Notify(int queueIndex)
    {
        if (queueIndex == TransmitQueue)
        {
            Transmit();
        }
        else
        {
            Service();
        }
    }

    public void Service()
    {
        if (!_transport.IsRunning)
        {
            DropWaiting();
            return;
        }

        Virtqueue queue = _transport.Queue(ReceiveQueue);
        // A driver that fills the ring while nothing waits for it need not say so.
        do
        {
            DeliverAll(queue);
        }
        while (_transport.IsRunning && !_arrived.IsEmpty && queue.RequestNotification());
        if (_transport.IsRunning)
        {
            _transport.Signal(queue);
        }
    }

    public void Reset()
    {
        _arrived.Clear();
        _features = 0;
        _initialMac.CopyTo(_config, 0);
    }

    public void Save(StateWriter writer)
    {
        writer.Raw(_config.AsSpan(0, 6));
        writer.UInt16(BinaryPrimitives.ReadUInt16LittleEndian(_config.AsSpan(6)));
        writer.Bytes(_arrived.Save());
    }

    public DeviceState? Decode(ref StateReader reader, ushort version)
    {
        byte[] mac = reader.Raw(6, "net.mac").ToArray();
        ushort status = reader.UInt16("net.status");
        byte[] waiting = version < 2 ? [] : reader.Bytes("net.waiting", QueueBytes).ToArray();
        if (!FrameQueue.IsWellFormed(waiting, FrameSizeMax))
        {
            reader.Fail($"net.waiting is no sequence of frames of 1 to {FrameSizeMax} bytes");
        }

        return reader.Failed ? null : new NetState(mac, status, waiting);
    }

    public void Restore(DeviceState state)
    {
        var saved = (NetState)state;
        saved.MacAddress.CopyTo(_config, 0);
        BinaryPrimitives.WriteUInt16LittleEndian(_config.AsSpan(6), saved.LinkStatus);
        _arrived.Restore(saved.Waiting);
        _transport.Waker.Wake();
    }

    /// <summary>A frame from the world. Called on the back end's thread.</summary>
    private void Receive(ReadOnlySpan<byte> frame)
    {
        if (frame.Length is 0 or > FrameSizeMax || !_arrived.TryEnqueue(frame))
        {
            Interlocked.Increment(ref Metrics.FramesDropped);
            return;
        }

        if (!_backend.TellsDelivered)
        {
            _transport.Waker.Wake();
        }
    }

    private void DropWaiting()
    {
        while (!_arrived.IsEmpty)
        {
            _arrived.RemoveFirst();
            Interlocked.Increment(ref Metrics.FramesDropped);
        }
    }

    /// <summary>As many frames as there are buffers for.</summary>
    private void DeliverAll(Virtqueue queue)
    {
        while (!_arrived.IsEmpty && Deliver(queue) is var delivery && delivery != Delivery.Waits)
        {
            _arrived.RemoveFirst();
            if (delivery == Delivery.Placed)
            {
                Metrics.FramesReceived++;
            }
            else
            {
                Interlocked.Increment(ref Metrics.FramesDropped);
            }
        }
    }

    /// <summary>Puts the oldest frame into as many buffers as it needs. One that is longer than the only buffer it may
    /// have is no fault of the guest: anybody in the LAN can send a tagged frame, and section 5.1.6.3.1 asks for buffers
    /// of 1526 bytes. The buffer stays for the next frame.</summary>
    private Delivery Deliver(Virtqueue queue)
    {
        int total = HeaderSize + _arrived.Peek(_receiveBuffer.AsSpan(HeaderSize));
        _receiveBuffer.AsSpan(0, HeaderSize).Clear();
        int placed = 0;
        int buffers = 0;
        while (placed < total)
        {
            DescriptorChain chain = buffers == 0 ? _firstChain : _chain;
            PopResult result = buffers < _heads.Length ? queue.TryPop(chain) : PopResult.Empty;
            if (result != PopResult.Chain)
            {
                queue.UndoPops(buffers);
                if (result == PopResult.Broken)
                {
                    _transport.Break(queue.Fault);
                }

                return Delivery.Waits;
            }

            int room = (int)Math.Min(chain.WritableLength, (ulong)(total - placed));
            if (chain.ReadableLength != 0 || room < (buffers == 0 ? HeaderSize : 1))
            {
                queue.UndoPops(buffers + 1);
                _transport.Break($"receive buffer of {chain.WritableLength} bytes is too small or not writable");
                return Delivery.Waits;
            }

            if (room < total && (_features & FeatureMergeableBuffers) == 0)
            {
                queue.UndoPops(1);
                return Delivery.TooLong;
            }

            chain.TryWrite(_transport.Ram, 0, _receiveBuffer.AsSpan(placed, room));
            _heads[buffers] = chain.Head;
            _written[buffers++] = (uint)room;
            placed += room;
        }

        // The header's num_buffers is known only now.
        BinaryPrimitives.WriteUInt16LittleEndian(_receiveBuffer.AsSpan(NumBuffersOffset), (ushort)buffers);
        _firstChain.TryWrite(_transport.Ram, NumBuffersOffset, _receiveBuffer.AsSpan(NumBuffersOffset, 2));
        for (int i = 0; i < buffers; i++)
        {
            queue.TryStage(i, _heads[i], _written[i]);
        }

        queue.Publish(buffers);
        return Delivery.Placed;
    }

    private void Transmit()
    {
        Virtqueue queue = _transport.Queue(TransmitQueue);
        PopResult result;
        do
        {
            while ((result = queue.TryPop(_chain)) == PopResult.Chain)
            {
                SendChain();
                queue.Push(_chain.Head, 0);
            }
        }
        while (result == PopResult.Empty && queue.RequestNotification());
        _backend.Flush();
        if (result == PopResult.Broken)
        {
            _transport.Break(queue.Fault);
            return;
        }

        _transport.Signal(queue);
    }

    private void SendChain()
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        ulong length = _chain.ReadableLength - HeaderSize;
        if (_chain.ReadableLength <= HeaderSize || length > FrameSizeMax || !_chain.TryRead(_transport.Ram, 0, header)
            || !_chain.TryRead(_transport.Ram, HeaderSize, _transmitBuffer.AsSpan(0, (int)length)))
        {
            Metrics.FramesRefused++;
            return;
        }

        Span<byte> frame = _transmitBuffer.AsSpan(0, (int)length);
        if (!TryFinish(header, frame))
        {
            Metrics.FramesRefused++;
            return;
        }

        Metrics.FramesSent++;
        _backend.Send(frame);
    }

    /// <summary>Does what the packet's header asks for; false when it asks for something that was not
    /// negotiated.</summary>
    private bool TryFinish(ReadOnlySpan<byte> header, Span<byte> frame)
    {
        const byte NeedsChecksum = 1;
        byte segmentation = header[1];
        if (segmentation != 0)
        {
            return false;
        }

        if ((header[0] & NeedsChecksum) == 0)
        {
            return true;
        }

        int start = BinaryPrimitives.ReadUInt16LittleEndian(header[6..]);
        int target = start + BinaryPrimitives.ReadUInt16LittleEndian(header[8..]);
        if ((_features & FeatureChecksum) == 0 || start >= frame.Length || target + 2 > frame.Length)
        {
            return false;
        }

        BinaryPrimitives.WriteUInt16BigEndian(frame[target..], InternetChecksum(frame[start..]));
        return true;
    }

    /// <summary>RFC 1071; the field itself holds the pseudo header's sum, as the driver left it.</summary>
    private static ushort InternetChecksum(ReadOnlySpan<byte> bytes)
    {
        uint sum = 0;
        for (int i = 0; i + 1 < bytes.Length; i += 2)
        {
            sum += BinaryPrimitives.ReadUInt16BigEndian(bytes[i..]);
        }

        if ((bytes.Length & 1) != 0)
        {
            sum += (uint)bytes[^1] << 8;
        }

        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)~sum;
    }

    private enum Delivery
    {
        Placed,
        Waits,
        TooLong,
    }
}
