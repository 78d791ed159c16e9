using System.Buffers;
using System.Buffers.Binary;
using Colo.Vmm.Cpu;
using Colo.Vmm.Machine;
using Colo.Vmm.Memory;

namespace Colo.Simulation.Riscv;

/// <summary>
/// The program of <c>guests/simulation</c> in the real machine: interpreter, interrupt controller, timer, virtio disk
/// and card, dirty log, captures and state images are production code, run on the caller's thread by instruction
/// count. It stops between any two instructions, so an image may be of the middle of a request. Guest time follows the
/// world's; replicas differ where the program looks at it.
/// </summary>
internal sealed class RiscvGuest : IGuest
{
    private const ulong MemoryBytes = 16 << 20;
    private const long TicksPerMicrosecond = 10;
    private const long BootInstructions = 2_000_000;
    private const long SliceLow = 300;
    private const long SliceHigh = 40_000;
    private const int ScratchRegister = 0x340;
    private const ulong PlicEnables = 0x2000;

    private readonly VirtMachine _machine;
    private readonly GuestCard _card = new();
    private readonly GuestDisk _disk = new();
    private readonly DirtyPages _known;
    private readonly DirtyPages _owed;
    private readonly Queue<Frame> _given = new();
    private ulong _handled;
    private PageCapture? _undo;
    private RiscvImage? _image;
    private long? _acknowledged;
    private bool _idle;
    private bool _disposed;

    public RiscvGuest(int dial, Mutant mutant)
    {
        (Dial, Mutant) = (dial, mutant);
        byte[] address = [2, 0, 0, 0, (byte)dial, (byte)(dial >> 8)];
        _machine = new VirtMachine(new MachineOptions
        {
            MemoryBytes = MemoryBytes,
            Firmware = FirmwareKind.None,
            Disks = [new DiskOptions(_disk)],
            Nics = [new NicOptions(_card, address)],
            Entropy = false,
            PowerButton = false,
            Seed = 1,
            Clock = ClockMode.InstructionCount,
            Hart = new HartOptions { Tier = CodeTierMode.Interpreter, DecodedBytesMax = 512 << 10 },
        });
        _known = new DirtyPages(Ram.PageCount);
        _owed = new DirtyPages(Ram.PageCount);
    }

    public int Dial { get; }

    public Mutant Mutant { get; }

    public GuestRam Ram => _machine.Ram;

    /// <summary>The image that it was loaded from last; 0 when it was booted.</summary>
    public long Loaded { get; private set; }

    public IEnumerable<(long Connection, StreamView Stream)> Streams => ServerMemory.Streams(Ram);

    public IEnumerable<Frame> Inbox
    {
        get
        {
            for (ulong handled = ServerMemory.Consumed(Ram); _handled < handled && _given.Count > 0; _handled++)
            {
                _given.Dequeue();
            }

            return _given;
        }
    }

    public StreamView? Find(long connection) => ServerMemory.Find(Ram, connection);

    public void Boot(IGuestHost host)
    {
        RiscvProgram.Built.Load(Ram);
        RunFor(host, BootInstructions);
        if (!_idle)
        {
            host.GuestFault("guest", $"has not started after {BootInstructions} instructions");
        }
    }

    public bool HasEnded => false;

    /// <summary>The program has neither.</summary>
    public void Reboot(IGuestHost host) => throw new NotSupportedException();

    public void End() => throw new NotSupportedException();

    public void Receive(Frame frame)
    {
        _given.Enqueue(frame);
        _card.Deliver(frame);
        _idle = false;
    }

    public bool HasWork(long now) =>
        !_idle || _machine.Board.NextDeadline() <= Math.Max(_machine.Board.Clock.ReadTime(), Ticks(now));

    public void Run(IGuestHost host, long now)
    {
        _machine.Board.Clock.Warp(Ticks(now));
        RunFor(host, host.Noise.LogBetween(SliceLow, SliceHigh));
    }

    /// <summary>It has a timer of its own.</summary>
    public void Tick(IGuestHost host, long now)
    {
    }

    public ulong Digest()
    {
        TraceSink digest = new(keepStory: false);
        int pages = (int)((RiscvProgram.Built.End - Ram.BaseAddress) / GuestRam.PageSize);
        for (int page = 0; page < Ram.PageCount; page++)
        {
            // Beyond the program only what was ever written can be there.
            if (page < pages || _known.Contains(page))
            {
                MixPage(digest, page);
            }
        }

        foreach (byte value in SaveDevices())
        {
            digest.Mix(value);
        }

        return digest.Hash;
    }

    public IGuestImage Capture(long epoch, bool full)
    {
        _undo?.Dispose(); // it was a secondary's
        _undo = null;
        _image?.TakeRest();
        NoteDirty();
        if (full)
        {
            _owed.UnionWith(_known);
            _acknowledged = null;
        }

        DirtyPages pages = new(Ram.PageCount);
        pages.UnionWith(_owed);
        if (Mutant == Mutant.M22Page && !full)
        {
            int cursor = 0;
            pages.NextSet(ref cursor, out int first);
            pages.Remove(first);
        }

        return _image = new RiscvImage(this, epoch, _acknowledged, pages, SaveDevices());
    }

    public void Acknowledged(long epoch)
    {
        if (_image?.Epoch == epoch)
        {
            _acknowledged = epoch;
            _owed.Clear();
        }
    }

    /// <summary>Becomes the guest of an image: what it has written itself since the last one is undone.</summary>
    public void Apply(RiscvImage image)
    {
        NoteDirty();
        _undo?.EnumerateSaved((page, content) => Ram.LoadPage(page, content));
        _undo?.Dispose();
        foreach ((int page, byte[] content) in image.Pages)
        {
            Ram.LoadPage(page, content);
            _known.Add(page);
        }

        RestoreResult result = _machine.RestoreDevices(image.Devices);
        if (result.Error is { } error)
        {
            throw new InvariantFailureException("S5", $"image {image.Epoch}: {error}");
        }

        Forget();
        _undo = Ram.BeginCaptureAll();
        _card.TakeSent();
        _given.Clear();
        image.Inbox.ToList().ForEach(_given.Enqueue);
        _handled = ServerMemory.Consumed(Ram);
        Loaded = image.Epoch;
        _idle = false;
    }

    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _image?.TakeRest(); // what was captured is on its way
            _undo?.Dispose();
            _machine.Dispose();
        }
    }

    private static ulong Ticks(long micros) => (ulong)(micros * TicksPerMicrosecond);

    /// <summary>What it sends leaves when it stands: whoever hears of it may take the guest away.</summary>
    private void RunFor(IGuestHost host, long instructions)
    {
        _disk.Host = host;
        _idle = !_machine.RunHere(instructions);
        _disk.Host = null;
        foreach (Frame frame in _card.TakeSent())
        {
            if (frame.Kind == GuestCard.Fault)
            {
                host.GuestFault("S5", $"check {frame.Connection}: expected {frame.Sequence:x}, found {frame.Ack:x}");
            }
            else if (!_disposed)
            {
                host.Output(frame);
            }
        }
    }

    private void NoteDirty()
    {
        DirtyPages dirty = Ram.SwapDirty();
        _known.UnionWith(dirty);
        _owed.UnionWith(dirty);
        Ram.ReturnDirty(dirty);
    }

    private byte[] SaveDevices()
    {
        ArrayBufferWriter<byte> writer = new();
        _machine.SaveDevices(writer);
        return writer.WrittenSpan.ToArray();
    }

    private void MixPage(TraceSink digest, int page)
    {
        ReadOnlySpan<byte> content = Ram.ReadPage(page);
        if (!content.ContainsAnyExcept((byte)0))
        {
            return;
        }

        digest.Mix(page);
        for (int at = 0; at < content.Length; at += sizeof(long))
        {
            digest.Mix(BinaryPrimitives.ReadInt64LittleEndian(content[at..]));
        }
    }

    private void Forget()
    {
        if (Mutant == Mutant.M22Csr)
        {
            _machine.Board.Harts[0].Hart.WriteCsr(ScratchRegister, 0);
        }
        else if (Mutant == Mutant.M22Device)
        {
            _machine.Board.Plic.Write(PlicEnables, sizeof(uint), 0);
        }
    }
}
