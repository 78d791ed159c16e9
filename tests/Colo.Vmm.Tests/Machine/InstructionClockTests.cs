using System.Security.Cryptography;
using Colo.Vmm.Block;
using Colo.Vmm.Cpu;
using Colo.Vmm.Machine;
using Colo.Vmm.Net;
using Colo.Vmm.Tests.Cpu;
using Colo.Vmm.Tests.Devices;
using static Colo.Vmm.Tests.Machine.TestMachine;

namespace Colo.Vmm.Tests.Machine;

/// <summary>
/// Guest time by instruction count: a guest that reads and writes its disk, talks to a peer and waits for its timer,
/// and mixes the time at which each of it was over into a register, ends in the same state every time.
/// </summary>
public sealed class InstructionClockTests
{
    private const int Rounds = 40;
    private const int DiskSlot = 0;
    private const int NicSlot = 1;
    private const int Mixed = 5;
    private static readonly TimeSpan HangLimit = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Disk_frames_and_timers_give_the_same_state_in_both_tiers_and_whatever_pauses_there_are()
    {
        Outcome first = await RunAsync(CodeTierMode.Interpreter, pauses: false);
        Assert.NotEqual(0UL, first.Mixed);
        Assert.Equal(first, await RunAsync(CodeTierMode.Interpreter, pauses: false));
        Assert.Equal(first, await RunAsync(CodeTierMode.Interpreter, pauses: true));
        Assert.Equal(first, await RunAsync(CodeTierMode.Auto, pauses: false));
        Assert.Equal(first, await RunAsync(CodeTierMode.Compiled, pauses: true));
    }

    private static async Task<Outcome> RunAsync(CodeTierMode tier, bool pauses)
    {
        MachineOptions options = Options with
        {
            Clock = ClockMode.InstructionCount,
            Disks = [new DiskOptions(new SlowDisk(new MemoryDevice(1 << 20)), "slow")],
            Nics = [new NicOptions(new Echo(), [0x52, 0x54, 0, 0, 0, 1])],
            Hart = new HartOptions { Tier = tier, CompileThreshold = 4 },
        };
        using VirtMachine machine = New(options, Program());
        using MockDriver disk = new MockDriver(machine, DiskSlot, 1).Start();
        using MockDriver card = new MockDriver(machine, NicSlot, 2, 1).Start();
        Prepare(machine, disk, card);
        machine.Start();
        while (pauses && !machine.Completion.IsCompleted)
        {
            machine.Pause();
            machine.Resume();
        }

        MachineExit exit = await machine.Completion.WaitAsync(HangLimit);
        Assert.Equal(new MachineExit(MachineExitReason.GuestShutdown, 0), exit);
        Assert.Equal((2 * Rounds, Rounds, Rounds), (disk.CountUsed(0), card.CountUsed(0), card.CountUsed(1)));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int page = 0; page < machine.Ram.PageCount; page++)
        {
            hash.AppendData(machine.Ram.ReadPage(page));
        }

        Hart hart = machine.Board.Harts[0].Hart;
        return new Outcome(
            hart.GetX(Mixed), machine.InstructionsRetired,
            Convert.ToHexString(SHA256.HashData(MachineStateTests.WithoutWallClock(Save(machine)))),
            Convert.ToHexString(hash.GetHashAndReset()));
    }

    /// <summary>All requests are in the rings; the guest makes one after the other available.</summary>
    private static void Prepare(VirtMachine machine, MockDriver disk, MockDriver card)
    {
        for (int i = 0; i < Rounds; i++)
        {
            var header = new byte[16];
            header[8] = (byte)i;
            ulong data = disk.Place([.. Enumerable.Repeat((byte)(i + 1), 512)]);
            header[0] = 1;
            disk.Add(
                0, RingSegment.Out(disk.Place(header), 16), RingSegment.Out(data, 512),
                RingSegment.In(disk.Allocate(1), 1));
            header[0] = 0;
            disk.Add(
                0, RingSegment.Out(disk.Place(header), 16), RingSegment.In(disk.Allocate(512), 512),
                RingSegment.In(disk.Allocate(1), 1));
            card.Add(0, RingSegment.In(card.Allocate(256), 256));
            card.Add(1, RingSegment.Out(card.Place([.. new byte[12], .. Enumerable.Repeat((byte)i, 60)]), 72));
        }

        machine.Ram.TryWriteUInt16(disk.AvailableRing(0) + 2, 0);
        machine.Ram.TryWriteUInt16(card.AvailableRing(1) + 2, 0);
        Hart hart = machine.Board.Harts[0].Hart;
        (int Register, ulong Value)[] places =
        [
            (8, disk.AvailableRing(0) + 2), (9, disk.UsedRing(0) + 2), (18, MemoryMap.Virtio + 0x50),
            (19, card.AvailableRing(1) + 2), (20, card.UsedRing(0) + 2),
            (21, MemoryMap.Virtio + (NicSlot * MemoryMap.VirtioStride) + 0x50),
        ];
        foreach ((int register, ulong value) in places)
        {
            hart.SetX(register, value);
        }
    }

    /// <summary>x28 rounds: two requests of the disk, one frame and its echo, a timer waited for by looking and one
    /// slept for.</summary>
    private static uint[] Program()
    {
        var code = new CodeWriter();
        code.Addi(7, 0, 32);
        code.Word(0x1043_a073); // csrs sie, x7
        code.Addi(6, 0, Rounds);
        int loop = code.Position;
        code.Addi(28, 28, 1);
        for (int i = 0; i < 2; i++)
        {
            code.Addi(31, 31, 1);
            code.S(0x23, 1, 8, 31, 0); // sh x31, (x8)
            code.S(0x23, 2, 18, 0, 0); // sw x0, (x18)
            WaitUntil(code, 9, 31);
        }

        code.Addi(30, 0, 1);
        code.S(0x23, 1, 19, 28, 0); // sh x28, (x19)
        code.S(0x23, 2, 21, 30, 0); // sw x30, (x21)
        WaitUntil(code, 20, 28);
        code.Addi(7, 7, 377);
        code.Word(0x14d3_9073); // stimecmp = x7
        int look = code.Position;
        code.Word(0x1440_23f3); // x7 = sip
        code.I(0x13, 7, 7, 7, 32); // x7 &= 32
        code.Word(CodeWriter.Branch(0, 7, 0, look - code.Position));
        Mix(code);
        code.Addi(7, 7, 1201);
        code.Word(0x14d3_9073);
        code.Word(Wfi);
        Mix(code);
        code.Word(CodeWriter.Branch(4, 28, 6, loop - code.Position));
        // SRST, as in the tests of the machine.
        uint[] reset =
        [
            Lui(17, 0x53525), Addi(17, 17, 0x354), Addi(16, 0, 0), Addi(10, 0, 0), Addi(11, 0, 0), Ecall, LoopForEver,
        ];
        foreach (uint word in reset)
        {
            code.Word(word);
        }

        byte[] bytes = code.ToArray();
        return [.. Enumerable.Range(0, bytes.Length / 4).Select(i => BitConverter.ToUInt32(bytes, i * 4))];
    }

    /// <summary>Looks at a used index until it is what a register says.</summary>
    private static void WaitUntil(CodeWriter code, int address, int expected)
    {
        int look = code.Position;
        code.I(0x03, 5, 7, address, 0); // lhu x7, (address)
        code.Word(CodeWriter.Branch(1, 7, expected, look - code.Position));
        Mix(code);
    }

    /// <summary>x7 = time; x5 = x5 * 2 ^ x7.</summary>
    private static void Mix(CodeWriter code)
    {
        code.Word(0xc010_23f3);
        code.I(0x13, 1, 29, Mixed, 1);
        code.R(0x33, 4, 0, Mixed, 29, 7);
    }

    private sealed record Outcome(ulong Mixed, ulong Retired, string Devices, string Ram);

    /// <summary>Answers on another thread, at a moment that nobody knows.</summary>
    private sealed class SlowDisk(IBlockDevice inner) : IBlockDevice
    {
        public long SizeBytes => inner.SizeBytes;

        public bool IsReadOnly => false;

        public async ValueTask<BlockStatus> ReadAsync(
            long offset, Memory<byte> destination, CancellationToken cancellation = default)
        {
            await Task.Yield();
            return await inner.ReadAsync(offset, destination, cancellation);
        }

        public async ValueTask<BlockStatus> WriteAsync(
            long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false,
            CancellationToken cancellation = default)
        {
            await Task.Yield();
            return await inner.WriteAsync(offset, source, forceUnitAccess, cancellation);
        }

        public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default) =>
            inner.FlushAsync(cancellation);

        public ValueTask<BlockStatus> WriteZeroesAsync(
            long offset, long length, bool mayUnmap, CancellationToken cancellation = default) =>
            inner.WriteZeroesAsync(offset, length, mayUnmap, cancellation);

        public ValueTask<BlockStatus> DiscardAsync(
            long offset, long length, CancellationToken cancellation = default) =>
            inner.DiscardAsync(offset, length, cancellation);

        public void Dispose() => inner.Dispose();
    }

    /// <summary>A peer that says what it hears, at once.</summary>
    private sealed class Echo : INetworkBackend
    {
        private FrameHandler? _received;

        public FrameHandler? Received
        {
            set => _received = value;
        }

        public void Send(ReadOnlySpan<byte> frame) => _received?.Invoke(frame);

        public void Dispose()
        {
        }
    }
}
