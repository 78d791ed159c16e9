using Colo.Vmm.Memory;

namespace Colo.Vmm.Devices.Virtio;

/// <summary>
/// A virtio-mmio slot, register version 2 (virtio 1.2, section 4.2), in front of one function, or empty (device id 0).
/// <code>
///   reset -> ACKNOWLEDGE -> DRIVER -> FEATURES_OK -> DRIVER_OK (running) -> rule broken: NEEDS_RESET -> reset
/// </code>
/// Interrupt level = InterruptStatus is not zero. A function stops being called the moment the driver breaks a rule.
/// </summary>
internal sealed class VirtioMmioDevice : IMmioDevice, IServicedDevice, IStatefulDevice, IVirtioTransport
{
    public const ulong SizeBytes = 0x1000;
    private const uint Magic = 0x74726976;
    private const uint Vendor = 0x4f4c4f43;
    private const ulong ConfigBase = 0x100;
    private const uint InterruptUsedBuffer = 1;
    private const uint InterruptConfig = 2;

    private readonly IVirtioFunction? _function;
    private readonly IInterruptLine _line;
    private readonly Virtqueue[] _queues;
    private readonly int _slot;
    private VirtioStatus _status;
    private uint _interruptStatus;
    private uint _deviceFeaturesSelect;
    private uint _driverFeaturesSelect;
    private uint _queueSelect;
    private ulong _driverFeatures;

    public VirtioMmioDevice(int slot, IVirtioFunction? function, GuestRam ram, IInterruptLine line, IMachineWaker waker)
    {
        _slot = slot;
        _function = function;
        _line = line;
        Ram = ram;
        Waker = waker;
        _queues = new Virtqueue[function?.QueueCount ?? 0];
        for (int i = 0; i < _queues.Length; i++)
        {
            _queues[i] = new Virtqueue(ram);
        }

        function?.Attach(this);
    }

    public GuestRam Ram { get; }

    public IMachineWaker Waker { get; }

    public VirtioMetrics Metrics { get; } = new();

    public VirtioStatus Status => _status;

    public bool IsRunning => (_status & (VirtioStatus.DriverOk | VirtioStatus.NeedsReset)) == VirtioStatus.DriverOk;

    public int RequestsInFlight => _function?.RequestsInFlight ?? 0;

    public string SectionTag => $"VIO{_slot}";

    public ushort StateVersion => 1;

    private ulong OfferedFeatures => _function is null ? 0 : _function.Features | VirtioFeatures.Transport;

    public Virtqueue Queue(int index) => _queues[index];

    public void Signal(Virtqueue queue)
    {
        if (queue.TakeSignal())
        {
            RaiseInterrupt(InterruptUsedBuffer);
        }
    }

    public void Break(string reason)
    {
        Metrics.Breaks++;
        Metrics.LastBreak = reason;
        _status |= VirtioStatus.NeedsReset;
        if ((_status & VirtioStatus.DriverOk) != 0)
        {
            RaiseInterrupt(InterruptConfig);
        }
    }

    public void Reset()
    {
        _function?.Reset();
        foreach (Virtqueue queue in _queues)
        {
            queue.Reset();
        }

        _status = VirtioStatus.None;
        _interruptStatus = 0;
        _deviceFeaturesSelect = _driverFeaturesSelect = _queueSelect = 0;
        _driverFeatures = 0;
        _line.Set(false);
    }

    public void Service() => _function?.Service();

    public ulong Read(ulong offset, int size)
    {
        if (offset >= ConfigBase)
        {
            return ReadConfig((int)(offset - ConfigBase), size);
        }

        return size != 4 ? 0 : offset switch
        {
            0x000 => Magic,
            0x004 => 2,
            0x008 => _function?.DeviceId ?? 0,
            0x00c => Vendor,
            0x010 => _deviceFeaturesSelect switch
            {
                0 => (uint)OfferedFeatures,
                1 => (uint)(OfferedFeatures >> 32),
                _ => 0,
            },
            0x034 => Selected is null ? 0u : Virtqueue.SizeMax,
            0x044 => Selected is { Ready: true } ? 1u : 0u,
            0x060 => _interruptStatus,
            0x070 => (uint)_status,
            // No shared memory regions: the length reads as all ones (section 4.2.2).
            0x0b0 or 0x0b4 => uint.MaxValue,
            _ => 0,
        };
    }

    public void Write(ulong offset, int size, ulong value)
    {
        if (_function is not null && offset >= ConfigBase)
        {
            WriteConfig(_function, (int)(offset - ConfigBase), size, value);
            return;
        }

        if (size != 4 || _function is null)
        {
            return;
        }

        uint word = (uint)value;
        switch (offset)
        {
            case 0x014:
                _deviceFeaturesSelect = word;
                break;
            case 0x020:
                WriteDriverFeatures(word);
                break;
            case 0x024:
                _driverFeaturesSelect = word;
                break;
            case 0x030:
                _queueSelect = word;
                break;
            case 0x050:
                NotifyQueue(word);
                break;
            case 0x064:
                _interruptStatus &= ~word;
                _line.Set(_interruptStatus != 0);
                break;
            case 0x070:
                WriteStatus((VirtioStatus)(byte)word);
                break;
            default:
                WriteQueue(offset, word);
                break;
        }
    }

    public void Save(StateWriter writer)
    {
        writer.UInt32(_function?.DeviceId ?? 0);
        writer.UInt8((byte)_status);
        writer.UInt32(_interruptStatus);
        writer.UInt32(_deviceFeaturesSelect);
        writer.UInt32(_driverFeaturesSelect);
        writer.UInt32(_queueSelect);
        writer.UInt64(_driverFeatures);
        writer.UInt8((byte)_queues.Length);
        foreach (Virtqueue queue in _queues)
        {
            queue.Save(writer);
        }

        writer.UInt16(_function?.StateVersion ?? 0);
        _function?.Save(writer);
    }

    public DeviceState? Decode(ref StateReader reader, ushort version)
    {
        uint deviceId = reader.UInt32("virtio.device");
        uint expected = _function?.DeviceId ?? 0;
        reader.Require(deviceId == expected, $"virtio slot {_slot} device", deviceId, $"device {expected}");
        var status = (VirtioStatus)reader.UInt8("virtio.status");
        uint interrupts = reader.UInt32("virtio.interrupt_status");
        uint deviceSelect = reader.UInt32("virtio.device_select");
        uint driverSelect = reader.UInt32("virtio.driver_select");
        uint queueSelect = reader.UInt32("virtio.queue_select");
        ulong features = reader.UInt64("virtio.features");
        reader.Require((features & ~OfferedFeatures) == 0, "virtio.features", features, $"a subset of 0x{OfferedFeatures:x}");
        int count = reader.UInt8("virtio.queues");
        reader.Require(count == _queues.Length, "virtio.queues", (ulong)count, $"{_queues.Length}");
        var queues = new VirtqueueState[_queues.Length];
        for (int i = 0; i < queues.Length && !reader.Failed; i++)
        {
            queues[i] = Virtqueue.Decode(ref reader, Ram);
        }

        ushort functionVersion = reader.UInt16("virtio.function_version");
        ushort known = _function?.StateVersion ?? 0;
        reader.Require(functionVersion <= known, "virtio.function_version", functionVersion, $"at most {known}");
        DeviceState? function = reader.Failed ? null : _function?.Decode(ref reader, functionVersion);
        return reader.Failed
            ? null
            : new VirtioMmioState(status, interrupts, deviceSelect, driverSelect, queueSelect, features, queues, function);
    }

    public void Restore(DeviceState state)
    {
        var saved = (VirtioMmioState)state;
        _status = saved.Status;
        _interruptStatus = saved.InterruptStatus;
        _deviceFeaturesSelect = saved.DeviceFeaturesSelect;
        _driverFeaturesSelect = saved.DriverFeaturesSelect;
        _queueSelect = saved.QueueSelect;
        _driverFeatures = saved.DriverFeatures;
        for (int i = 0; i < _queues.Length; i++)
        {
            _queues[i].Restore(saved.Queues[i], _driverFeatures);
        }

        if (saved.Function is not null)
        {
            _function!.Restore(saved.Function);
        }

        _line.Set(_interruptStatus != 0);
        if (IsRunning)
        {
            // A stream may claim that an empty slot runs.
            _function?.Start(_driverFeatures);
        }
    }

    private Virtqueue? Selected => _queueSelect < _queues.Length ? _queues[_queueSelect] : null;

    private ulong ReadConfig(int offset, int size)
    {
        ReadOnlySpan<byte> config = _function is null ? default : _function.Config;
        ulong value = 0;
        for (int i = 0; i < size && offset + i < config.Length; i++)
        {
            value |= (ulong)config[offset + i] << (8 * i);
        }

        return value;
    }

    private static void WriteConfig(IVirtioFunction function, int offset, int size, ulong value)
    {
        for (int i = 0; i < size; i++)
        {
            function.WriteConfig(offset + i, (byte)(value >> (8 * i)));
        }
    }

    private void WriteDriverFeatures(uint word)
    {
        if ((_status & VirtioStatus.FeaturesOk) == 0 && _driverFeaturesSelect <= 1)
        {
            int shift = (int)_driverFeaturesSelect * 32;
            _driverFeatures = (_driverFeatures & ~(0xffff_fffful << shift)) | ((ulong)word << shift);
        }
    }

    private void NotifyQueue(uint index)
    {
        Metrics.Notifications++;
        if (IsRunning && index < _queues.Length)
        {
            _function!.Notify((int)index);
        }
    }

    private void WriteStatus(VirtioStatus value)
    {
        if (value == VirtioStatus.None)
        {
            Reset();
            return;
        }

        VirtioStatus added = value & ~_status;
        bool acceptable = (_driverFeatures & ~OfferedFeatures) == 0 && (_driverFeatures & VirtioFeatures.Version1) != 0;
        if ((added & VirtioStatus.FeaturesOk) != 0 && !acceptable)
        {
            // Left out of the register: that is how a driver learns that its choice is refused (section 3.1.1, step 6).
            value &= ~VirtioStatus.FeaturesOk;
        }

        // Bits are only ever added by the driver; NEEDS_RESET is the device's own.
        _status |= value & ~VirtioStatus.NeedsReset;
        if ((added & VirtioStatus.DriverOk) != 0)
        {
            if ((_status & VirtioStatus.FeaturesOk) == 0)
            {
                Break("DRIVER_OK without FEATURES_OK");
                return;
            }

            foreach (Virtqueue queue in _queues)
            {
                queue.SetFeatures(_driverFeatures);
            }

            _function!.Start(_driverFeatures);
            for (int i = 0; i < _queues.Length && IsRunning; i++)
            {
                _ = _queues[i].RequestNotification();
                _function.Notify(i);
            }
        }
    }

    private void WriteQueue(ulong offset, uint word)
    {
        if (Selected is not { } queue)
        {
            return;
        }

        if (offset == 0x044)
        {
            EnableQueue(queue, (word & 1) != 0);
            return;
        }

        if (queue.Ready)
        {
            return;
        }

        switch (offset)
        {
            case 0x038:
                // An impossible size is kept and refused when the queue is made ready.
                queue.Size = (ushort)Math.Min(word, ushort.MaxValue);
                break;
            case 0x080:
                queue.DescriptorTable = Low(queue.DescriptorTable, word);
                break;
            case 0x084:
                queue.DescriptorTable = High(queue.DescriptorTable, word);
                break;
            case 0x090:
                queue.AvailableRing = Low(queue.AvailableRing, word);
                break;
            case 0x094:
                queue.AvailableRing = High(queue.AvailableRing, word);
                break;
            case 0x0a0:
                queue.UsedRing = Low(queue.UsedRing, word);
                break;
            case 0x0a4:
                queue.UsedRing = High(queue.UsedRing, word);
                break;
            default:
                break;
        }
    }

    private void EnableQueue(Virtqueue queue, bool enable)
    {
        if (!enable)
        {
            queue.Disable();
        }
        else if (!queue.Ready)
        {
            queue.SetFeatures(_driverFeatures);
            if (!queue.TryEnable())
            {
                Break(queue.Fault);
            }
        }
    }

    private void RaiseInterrupt(uint cause)
    {
        Metrics.Interrupts++;
        _interruptStatus |= cause;
        _line.Set(true);
    }

    private static ulong Low(ulong old, uint word) => (old & 0xffff_ffff_0000_0000) | word;

    private static ulong High(ulong old, uint word) => (old & 0xffff_ffff) | ((ulong)word << 32);
}
