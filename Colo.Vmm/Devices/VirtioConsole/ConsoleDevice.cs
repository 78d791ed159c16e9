using Colo.Vmm.Devices.Uart;
using Colo.Vmm.Devices.Virtio;

namespace Colo.Vmm.Devices.VirtioConsole;

/// <summary>Virtio console with one port (virtio 1.2, section 5.3): queue 0 carries input, queue 1 output.</summary>
internal sealed class ConsoleDevice(IConsoleBackend console) : IVirtioFunction
{
    private const int InputQueue = 0;
    private const int OutputQueue = 1;
    private readonly byte[] _buffer = new byte[4096];
    private readonly byte[] _config = new byte[12];
    private readonly ByteQueue _input = new(65536);
    private readonly DescriptorChain _chain = new();
    private IVirtioTransport _transport = null!;
    private int _pending;

    public ConsoleMetrics Metrics { get; } = new();

    public uint DeviceId => 3;

    public ulong Features => 0;

    public int QueueCount => 2;

    public ReadOnlySpan<byte> Config => _config;

    public int RequestsInFlight => 0;

    public ushort StateVersion => 1;

    public void Attach(IVirtioTransport transport)
    {
        _transport = transport;
        console.Input = Receive;
    }

    public void Start(ulong features)
    {
    }

    public void Notify(int queueIndex)
    {
        if (queueIndex == OutputQueue)
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
            return;
        }

        Virtqueue queue = _transport.Queue(InputQueue);
        while (_pending > 0 || TryTakeInput())
        {
            PopResult result = queue.TryPop(_chain);
            if (result == PopResult.Empty)
            {
                if (queue.RequestNotification())
                {
                    continue;
                }

                break;
            }

            if (result == PopResult.Broken || _chain.WritableLength == 0)
            {
                _transport.Break(result == PopResult.Broken ? queue.Fault : "console input buffer is not writable");
                return;
            }

            int count = (int)Math.Min(_chain.WritableLength, (ulong)_pending);
            _chain.TryWrite(_transport.Ram, 0, _buffer.AsSpan(0, count));
            queue.Push(_chain.Head, (uint)count);
            _buffer.AsSpan(count, _pending - count).CopyTo(_buffer);
            _pending -= count;
            Metrics.BytesReceived += count;
        }

        _transport.Signal(queue);
    }

    public void Reset()
    {
        _input.Clear();
        _pending = 0;
    }

    public void Save(StateWriter writer)
    {
    }

    public DeviceState? Decode(ref StateReader reader, ushort version) => new ConsoleState();

    public void Restore(DeviceState state)
    {
    }

    private bool TryTakeInput()
    {
        _pending = _input.Dequeue(_buffer);
        return _pending > 0;
    }

    private int Receive(ReadOnlySpan<byte> bytes)
    {
        int taken = _input.Enqueue(bytes);
        _transport.Waker.Wake();
        return taken;
    }

    private void Transmit()
    {
        Span<byte> piece = stackalloc byte[1024];
        Virtqueue queue = _transport.Queue(OutputQueue);
        PopResult result;
        do
        {
            while ((result = queue.TryPop(_chain)) == PopResult.Chain)
            {
                // A request longer than a screenful of screenfuls is cut, so that one notification cannot hold the
                // machine.
                ulong total = Math.Min(_chain.ReadableLength, 65536);
                for (ulong done = 0; done < total; done += (ulong)piece.Length)
                {
                    Span<byte> part = piece[..(int)Math.Min((ulong)piece.Length, total - done)];
                    _chain.TryRead(_transport.Ram, done, part);
                    console.Write(part);
                }

                Metrics.BytesSent += (long)total;
                queue.Push(_chain.Head, 0);
            }
        }
        while (result == PopResult.Empty && queue.RequestNotification());
        if (result == PopResult.Broken)
        {
            _transport.Break(queue.Fault);
            return;
        }

        _transport.Signal(queue);
    }
}
