using System.Buffers.Binary;
using System.Text;
using Colo.Vmm.Devices.Virtio;

namespace Colo.Vmm.Devices.VirtioInput;

/// <summary>
/// A power button as virtio input device (virtio 1.2, section 5.8) with one key, KEY_POWER: what systemd-logind,
/// acpid and busybox's acpid understand on a stock kernel, and which needs no interrupt controller, GPIO or ACPI.
/// Queue 0 carries events to the driver, queue 1 its status reports (lights), which are returned unread.
/// <para>A press is four events: key down, report, key up, report. A guest that has no driver for it never sees the
/// press.</para>
/// </summary>
internal sealed class InputDevice : IVirtioFunction
{
    /// <summary>Number of KEY_POWER in linux/input-event-codes.h.</summary>
    public const int KeyPower = 116;

    private const int EventQueue = 0;
    private const int StatusQueue = 1;
    private const int EventSize = 8;
    private const int EventsPerPress = 4;
    private const byte SelectName = 0x01;
    private const byte SelectSerial = 0x02;
    private const byte SelectIds = 0x03;
    private const byte SelectEventBits = 0x11;
    private const int EventTypeSync = 0;
    private const int EventTypeKey = 1;
    private const int ConfigHeader = 8;

    private readonly byte[] _config = new byte[ConfigHeader + 128];
    private readonly DescriptorChain _chain = new();
    private IVirtioTransport _transport = null!;
    private int _pressed;
    private int _eventsWaiting;

    public InputMetrics Metrics { get; } = new();

    public uint DeviceId => 18;

    public ulong Features => 0;

    public int QueueCount => 2;

    public ReadOnlySpan<byte> Config => _config;

    public int RequestsInFlight => 0;

    public ushort StateVersion => 1;

    public void Attach(IVirtioTransport transport) => _transport = transport;

    public void Start(ulong features)
    {
    }

    /// <summary>
    /// Presses and lets go of the button. Any thread; a press while another one is on its way is the same press.
    /// </summary>
    public void Press()
    {
        Volatile.Write(ref _pressed, 1);
        _transport.Waker.Wake();
    }

    public void WriteConfig(int offset, byte value)
    {
        if (offset < 2)
        {
            _config[offset] = value;
            FillConfig();
        }
    }

    public void Notify(int queueIndex)
    {
        if (queueIndex == StatusQueue)
        {
            ReturnStatus();
        }
        else
        {
            Service();
        }
    }

    public void Service()
    {
        if (Interlocked.Exchange(ref _pressed, 0) != 0 && _eventsWaiting == 0)
        {
            Metrics.Presses++;
            // Without a driver nobody waits for the events, and one that comes later must not find an old press.
            _eventsWaiting = _transport.IsRunning ? EventsPerPress : 0;
        }

        if (!_transport.IsRunning || _eventsWaiting == 0)
        {
            return;
        }

        Span<byte> one = stackalloc byte[EventSize];
        Virtqueue queue = _transport.Queue(EventQueue);
        while (_eventsWaiting > 0)
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

            if (result == PopResult.Broken || _chain.WritableLength < EventSize)
            {
                _transport.Break(result == PopResult.Broken ? queue.Fault
                    : "input event buffer is smaller than 8 bytes");
                return;
            }

            WriteEvent(one, EventsPerPress - _eventsWaiting);
            _chain.TryWrite(_transport.Ram, 0, one);
            queue.Push(_chain.Head, EventSize);
            _eventsWaiting--;
            Metrics.EventsSent++;
        }

        _transport.Signal(queue);
    }

    public void Reset()
    {
        _config.AsSpan().Clear();
        _eventsWaiting = 0;
    }

    public void Save(StateWriter writer)
    {
        writer.UInt8(_config[0]);
        writer.UInt8(_config[1]);
        writer.Int32(_eventsWaiting);
    }

    public DeviceState? Decode(ref StateReader reader, ushort version)
    {
        var state = new InputState(reader.UInt8("select"), reader.UInt8("subselect"), reader.Int32("events waiting"));
        reader.Require(
            state.EventsWaiting is >= 0 and <= EventsPerPress, "events waiting", (ulong)state.EventsWaiting, "0 to 4");
        return state;
    }

    public void Restore(DeviceState state)
    {
        var input = (InputState)state;
        _config[0] = input.Select;
        _config[1] = input.Subselect;
        _eventsWaiting = input.EventsWaiting;
        FillConfig();
    }

    /// <summary>struct virtio_input_event: type, code, value, little endian.</summary>
    private static void WriteEvent(Span<byte> one, int step)
    {
        bool isKey = (step & 1) == 0;
        BinaryPrimitives.WriteUInt16LittleEndian(one, (ushort)(isKey ? EventTypeKey : EventTypeSync));
        BinaryPrimitives.WriteUInt16LittleEndian(one[2..], (ushort)(isKey ? KeyPower : 0));
        BinaryPrimitives.WriteInt32LittleEndian(one[4..], step == 0 ? 1 : 0);
    }

    private void FillConfig()
    {
        Span<byte> data = _config.AsSpan(ConfigHeader);
        data.Clear();
        int size = 0;
        switch (_config[0], _config[1])
        {
            case (SelectName, 0):
                size = Encoding.ASCII.GetBytes("Colo Power Button", data);
                break;
            case (SelectSerial, 0):
                size = Encoding.ASCII.GetBytes("0", data);
                break;
            case (SelectIds, 0):
                // Bus type BUS_VIRTUAL; no registered vendor, product or version.
                data[0] = 0x06;
                size = 8;
                break;
            case (SelectEventBits, EventTypeKey):
                data[KeyPower / 8] = 1 << (KeyPower % 8);
                size = (KeyPower / 8) + 1;
                break;
            default:
                break;
        }

        _config[2] = (byte)size;
    }

    private void ReturnStatus()
    {
        Virtqueue queue = _transport.Queue(StatusQueue);
        PopResult result;
        do
        {
            while ((result = queue.TryPop(_chain)) == PopResult.Chain)
            {
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
