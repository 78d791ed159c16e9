using System.Diagnostics;
using Colo.Vmm.Cpu;
using Colo.Vmm.Cpu.Compiled;
using Colo.Vmm.Devices;
using Colo.Vmm.Devices.Aclint;
using Colo.Vmm.Devices.Plic;
using Colo.Vmm.Devices.Reset;
using Colo.Vmm.Devices.Rtc;
using Colo.Vmm.Devices.Uart;
using Colo.Vmm.Devices.Virtio;
using Colo.Vmm.Devices.VirtioBlock;
using Colo.Vmm.Devices.VirtioConsole;
using Colo.Vmm.Devices.VirtioInput;
using Colo.Vmm.Devices.VirtioNet;
using Colo.Vmm.Devices.VirtioRng;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Machine;

/// <summary>
/// RAM, harts, devices and the wires between them, laid out like QEMU's <c>virt</c> machine. Driven by
/// <see cref="RunLoop"/>, or by a test. What is not a hart's own is touched under <see cref="DeviceLock"/>, or while
/// the machine stands.
/// </summary>
internal sealed class Board : IDisposable
{
    private readonly List<IStatefulDevice> _stateful = [];
    private readonly List<IDeadlineDevice> _deadlines = [];
    private readonly List<IServicedDevice> _serviced = [];
    private readonly RegionLibrary _library;
    private ulong _retiredBefore;
    private Hart? _running;
    private ulong _runningStart;

    public Board(MachineOptions options, IMachineWaker waker)
    {
        Options = options;
        Ram = new GuestRam(MemoryMap.Ram, options.MemoryBytes);
        Clock = new MachineClock(options.Clock, options.TimeProvider, () => InstructionsRun);
        _library = new RegionLibrary(Ram);
        Bus = new MmioBus(DeviceLock);
        Harts = new HartSlot[options.HartCount];
        for (int i = 0; i < Harts.Length; i++)
        {
            Harts[i] = new HartSlot();
            Harts[i].Hart = new Hart(i, Ram, Bus, Clock, options.Hart, _library)
            {
                StopsAtTimerChange = options.Clock == ClockMode.InstructionCount,
            };
        }

        IHartInterrupts[] inputs = [.. Harts];
        Plic = new PlicDevice(inputs);
        var aclint = new AclintDevice(inputs, Clock, waker);
        Uart = new UartDevice(Plic.Line(MemoryMap.UartInterrupt), waker, options.Console);
        var rtc = new RtcDevice(Plic.Line(MemoryMap.RtcInterrupt), Clock, waker);
        Bus.Add(MemoryMap.Plic, PlicDevice.SizeBytes, Plic);
        Bus.Add(MemoryMap.Aclint, AclintDevice.SizeBytes, aclint);
        Bus.Add(MemoryMap.Uart, UartDevice.SizeBytes, Uart);
        Bus.Add(MemoryMap.Rtc, RtcDevice.SizeBytes, rtc);
        Bus.Add(MemoryMap.Reset, ResetDevice.SizeBytes, new ResetDevice(RequestReset));
        _stateful.AddRange([aclint, Plic, Uart, rtc]);
        _deadlines.AddRange([aclint, rtc]);
        _serviced.Add(Uart);
        AddVirtio(waker);
        if (options.Firmware == FirmwareKind.BuiltIn)
        {
            var firmware = new SbiFirmware(this);
            foreach (HartSlot slot in Harts)
            {
                slot.Hart.Sbi = firmware;
            }
        }
    }

    public MachineOptions Options { get; }

    public GuestRam Ram { get; }

    public MmioBus Bus { get; }

    /// <summary>Held by whoever touches a device: the harts' accesses, the built-in firmware, and the thread that
    /// serves them.</summary>
    public Lock DeviceLock { get; } = new();

    public MachineClock Clock { get; }

    public HartSlot[] Harts { get; }

    public PlicDevice Plic { get; }

    public UartDevice Uart { get; }

    public IReadOnlyList<VirtioMmioDevice> Virtio { get; private set; } = [];

    public IReadOnlyList<BlockDevice> Disks { get; private set; } = [];

    public IReadOnlyList<NetDevice> Nics { get; private set; } = [];

    /// <summary>Null when the machine has none.</summary>
    public InputDevice? PowerButton { get; private set; }

    /// <summary>The devices in the order of their sections in the saved state.</summary>
    public IReadOnlyList<IStatefulDevice> Stateful => _stateful;

    public LoadedGuest Guest { get; private set; } = new();

    /// <summary>What the guest asked for and the run loop has not done yet.</summary>
    public ResetRequest? PendingReset { get; set; }

    /// <summary>Instructions of all harts since the machine was built, resets not counted; 0 with threads of their
    /// own.</summary>
    public ulong InstructionsRun =>
        _retiredBefore + (_running is null ? 0 : _running.InstructionsRetired - _runningStart);

    public int RequestsInFlight
    {
        get
        {
            int count = 0;
            foreach (VirtioMmioDevice slot in Virtio)
            {
                count += slot.RequestsInFlight;
            }

            return count;
        }
    }

    /// <summary>Everything to power-on, files loaded again, hart 0 at the entry.</summary>
    public void ResetAndLoad()
    {
        ResetDevices();
        Guest = new GuestLoader(Options, Ram).Load();
        bool supervisor = Options.Firmware == FirmwareKind.BuiltIn;
        for (int i = 0; i < Harts.Length; i++)
        {
            HartSlot slot = Harts[i];
            slot.Hart.Reset(Guest.Entry, supervisor ? PrivilegeMode.Supervisor : PrivilegeMode.Machine);
            slot.Hart.SetX(10, (ulong)i);
            slot.Hart.SetX(11, Guest.DeviceTreeAddress);
            slot.Hart.SetX(12, Guest.DynamicInfoAddress);
            // The SBI starts the others; firmware in M-mode expects all of them.
            slot.Status = supervisor && i > 0 ? HartStatus.Stopped : HartStatus.Started;
        }
    }

    public void ResetDevices()
    {
        PendingReset = null;
        Clock.Reset();
        foreach (HartSlot slot in Harts)
        {
            slot.Waiting = false;
            slot.SbiTimer = ulong.MaxValue;
        }

        foreach (IStatefulDevice device in _stateful)
        {
            device.Reset();
        }
    }

    public void RequestReset(ResetRequest request)
    {
        PendingReset ??= request;
        foreach (HartSlot slot in Harts)
        {
            slot.Hart.RequestStop();
        }
    }

    /// <summary>Lets every device take what has arrived from outside.</summary>
    public void Service()
    {
        foreach (IServicedDevice device in _serviced)
        {
            device.Service();
        }
    }

    /// <summary>Finishes disk requests that have been answered, and nothing else: the machine is about to stand
    /// still.</summary>
    public void ServiceDisks()
    {
        foreach (BlockDevice disk in Disks)
        {
            disk.FinishAnswered();
        }
    }

    public void Expire(ulong now)
    {
        foreach (IDeadlineDevice device in _deadlines)
        {
            if (now >= device.NextDeadline)
            {
                device.Expire(now);
            }
        }
    }

    /// <summary>The next tick at which a device or a started hart's timer is due.</summary>
    public ulong NextDeadline() => NextDeadline(Harts);

    /// <summary>The same for some of the harts.</summary>
    public ulong NextDeadline(HartSlot[] harts)
    {
        ulong next = ulong.MaxValue;
        foreach (IDeadlineDevice device in _deadlines)
        {
            next = Math.Min(next, device.NextDeadline);
        }

        foreach (HartSlot slot in harts)
        {
            next = Math.Min(next, slot.WakeDeadline);
        }

        return next;
    }

    /// <summary>Runs one hart and keeps the machine-wide count of instructions, which must not jump when a hart is
    /// reset.</summary>
    public HartStop Run(HartSlot slot, long budget, out long retired)
    {
        if (Options.UsesHartThreads)
        {
            // In real time nobody asks for the count.
            retired = 0;
            return slot.Hart.Run(budget);
        }

        _running = slot.Hart;
        _runningStart = slot.Hart.InstructionsRetired;
        HartStop stop = slot.Hart.Run(budget);
        retired = (long)(slot.Hart.InstructionsRetired - _runningStart);
        _running = null;
        _retiredBefore += (ulong)retired;
        return stop;
    }

    /// <summary>Null when everything is interpreted. Any thread.</summary>
    public TierStatistics? ReadTierStatistics()
    {
        if (Harts[0].Hart.TierCounters is null)
        {
            return null;
        }

        RegionCounters[] counters = [.. Harts.Select(h => h.Hart.TierCounters!)];
        var exits = Enum.GetValues<RegionExit>().ToDictionary(e => e.ToString(), e => counters.Sum(c => c.Exits[(int)e]));
        var compiled = Stopwatch.GetElapsedTime(0, counters.Sum(c => c.CompiledTicks));
        var running = Stopwatch.GetElapsedTime(0, Harts.Sum(h => h.RunningTicks));
        return new TierStatistics(
            counters.Sum(c => c.Compiled), counters.Sum(c => c.Evicted), counters.Sum(c => c.Dropped),
            Harts.Sum(h => (long)h.Hart.DecodedCodeEvictions), counters.Sum(c => c.InstructionsRetired), compiled,
            running > compiled ? running - compiled : TimeSpan.Zero, counters.Sum(c => c.Chained), exits);
    }

    public void Dispose()
    {
        // First what delivers to the harts from threads of its own, the compiler and the back ends; then the harts.
        _library.Dispose();
        Options.Console?.Dispose();
        Options.VirtioConsole?.Dispose();
        foreach (NicOptions nic in Options.Nics)
        {
            nic.Backend.Dispose();
        }

        foreach (DiskOptions disk in Options.Disks)
        {
            disk.Device.Dispose();
        }

        foreach (HartSlot slot in Harts)
        {
            slot.Hart.Dispose();
        }

        Ram.Dispose();
    }

    private void AddVirtio(IMachineWaker waker)
    {
        var functions = new List<IVirtioFunction>();
        bool atOnce = Options.Clock == ClockMode.InstructionCount;
        Disks = [.. Options.Disks.Select(d => new BlockDevice(d.Device, d.Serial, d.ReadOnly, atOnce))];
        Nics = [.. Options.Nics.Select(n => new NetDevice(n.Backend, n.MacAddress, n.Mtu, n.OfferChecksum))];
        functions.AddRange(Disks);
        functions.AddRange(Nics);
        if (Options.Entropy)
        {
            functions.Add(new RngDevice(Options.Seed is { } seed ? new SeededEntropy(seed) : new HostEntropy()));
        }

        if (Options.VirtioConsole is { } console)
        {
            functions.Add(new ConsoleDevice(console));
        }

        if (Options.PowerButton && functions.Count < MemoryMap.VirtioSlotCount)
        {
            PowerButton = new InputDevice();
            functions.Add(PowerButton);
        }

        var slots = new List<VirtioMmioDevice>();
        for (int i = 0; i < MemoryMap.VirtioSlotCount; i++)
        {
            IVirtioFunction? function = i < functions.Count ? functions[i] : null;
            var slot = new VirtioMmioDevice(i, function, Ram, Plic.Line(MemoryMap.VirtioInterruptBase + i), waker);
            Bus.Add(MemoryMap.Virtio + ((ulong)i * MemoryMap.VirtioStride), VirtioMmioDevice.SizeBytes, slot);
            _stateful.Add(slot);
            if (function is not null)
            {
                _serviced.Add(slot);
            }

            slots.Add(slot);
        }

        Virtio = slots;
    }
}
