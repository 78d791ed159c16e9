using System.Buffers.Binary;
using Colo.Vmm.Cpu;
using Colo.Vmm.Machine;
using Colo.Vmm.Tests.Devices;

namespace Colo.Vmm.Tests.Machine;

public class MachineStateTests
{
    [Fact]
    public void Restored_machine_saves_the_same_bytes()
    {
        using VirtMachine first = TestMachine.New(TestMachine.Options, TestMachine.LoopForEver);
        first.Board.Harts[0].Hart.SetX(5, 0x1234_5678_9abc_def0);
        first.Board.Uart.Write(7, 1, 0x5a);
        first.Board.Bus.TryWrite(MemoryMap.Plic + 40, 4, 3);
        first.Board.Clock.SetTime(987_654_321);
        byte[] state = TestMachine.Save(first);
        using VirtMachine second = TestMachine.New(TestMachine.Options);
        RestoreResult result = second.RestoreDevices(state);
        Assert.Null(result.Error);
        Assert.Equal(0x1234_5678_9abc_def0u, second.Board.Harts[0].Hart.GetX(5));
        Assert.Equal(987_654_321u, second.Board.Clock.ReadTime());
        Assert.Equal(WithoutWallClock(state), WithoutWallClock(TestMachine.Save(second)));
    }

    /// <summary>Whatever its devices were doing, nothing of it is left.</summary>
    [Fact]
    public void A_machine_that_has_run_becomes_the_saved_one()
    {
        using VirtMachine first = TestMachine.New(TestMachine.Options, TestMachine.LoopForEver);
        byte[] state = TestMachine.Save(first);
        using VirtMachine second = TestMachine.New(TestMachine.Options, TestMachine.LoopForEver);
        second.Start();
        Assert.True(SpinWait.SpinUntil(() => second.InstructionsRetired > 0, TimeSpan.FromMinutes(1)));
        second.Pause();
        using MockDriver disk = new MockDriver(second, 0, 1).Start();
        using MockDriver card = new MockDriver(second, 1, 2, 1).Start();
        card.Add(0, RingSegment.In(card.Allocate(256), 256));
        second.Board.Uart.Write(7, 1, 0x5a);
        second.Board.Uart.Write(1, 1, 3);
        ((RecordingConsole)second.Options.Console!).Type("typed");
        ((RecordingBackend)second.Options.Nics[0].Backend).Deliver(new byte[60]);
        second.Board.Bus.TryWrite(MemoryMap.Plic + 40, 4, 3);
        second.Board.Bus.TryWrite(MemoryMap.Aclint, 4, 1);
        second.Board.Bus.TryWrite(MemoryMap.Aclint + 0x4000, 8, 5);
        second.Board.Bus.TryWrite(MemoryMap.Rtc + 0x10, 4, 1);
        second.Board.Bus.TryWrite(MemoryMap.Rtc + 8, 4, 77);
        Hart hart = second.Board.Harts[0].Hart;
        hart.SetX(5, 1);
        hart.WriteCsr(0x140, 99);
        Assert.NotEqual(WithoutWallClock(state), WithoutWallClock(TestMachine.Save(second)));
        Assert.Null(second.RestoreDevices(state).Error);
        Assert.Equal(WithoutWallClock(state), WithoutWallClock(TestMachine.Save(second)));
        Assert.Equal(0u, disk.Read(0x70));
        Assert.Equal(0u, hart.ReadCsr(0x344) & (1u << 3));
    }

    [Fact]
    public void State_of_a_machine_built_otherwise_is_refused()
    {
        using VirtMachine first = TestMachine.New(TestMachine.Options);
        using VirtMachine second = TestMachine.New(TestMachine.Options with { HartCount = 2 });
        using VirtMachine third = TestMachine.New(TestMachine.Options with { MemoryBytes = 32 << 20 });
        byte[] state = TestMachine.Save(first);
        Assert.Contains("sections", second.RestoreDevices(state).Error);
        Assert.Contains("RAM", third.RestoreDevices(state).Error);
    }

    [Fact]
    public void Other_format_version_is_refused_naming_both()
    {
        using VirtMachine machine = TestMachine.New(TestMachine.Options);
        byte[] state = TestMachine.Save(machine);
        BinaryPrimitives.WriteUInt16LittleEndian(state.AsSpan(8), 77);
        string? error = machine.RestoreDevices(TestMachine.Seal(state)).Error;
        Assert.Contains("77", error);
        Assert.Contains("versions 1 to 1", error);
    }

    [Fact]
    public void Cut_or_damaged_stream_is_refused_and_changes_nothing()
    {
        using VirtMachine machine = TestMachine.New(TestMachine.Options);
        byte[] state = TestMachine.Save(machine);
        machine.Board.Harts[0].Hart.SetX(9, 42);
        for (int length = 0; length < state.Length; length += 7)
        {
            Assert.NotNull(machine.RestoreDevices(state.AsSpan(0, length)).Error);
        }

        state[100] ^= 1;
        Assert.Contains("checksum", machine.RestoreDevices(state).Error);
        Assert.Equal(42u, machine.Board.Harts[0].Hart.GetX(9));
    }

    [Fact]
    public void Hostile_bytes_with_a_right_checksum_never_throw()
    {
        const int seed = 31;
        var random = new Random(seed);
        using VirtMachine machine = TestMachine.New(TestMachine.Options);
        byte[] good = TestMachine.Save(machine);
        int refused = 0;
        for (int round = 0; round < 5000; round++)
        {
            byte[] state = [.. good];
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                state[random.Next(24, state.Length - 4)] = (byte)random.Next(256);
            }

            refused += machine.RestoreDevices(TestMachine.Seal(state)).IsOk ? 0 : 1;
        }

        Assert.True(refused > 0, $"seed {seed}");
        Assert.Null(machine.RestoreDevices(good).Error);
    }

    [Fact]
    public void Whole_machine_comes_back_from_a_file_with_its_memory()
    {
        using VirtMachine first = TestMachine.New(TestMachine.Options, TestMachine.LoopForEver);
        var content = new byte[5000];
        new Random(5).NextBytes(content);
        Assert.True(first.Ram.TryWrite(0x8012_3456, content));
        using var file = new MemoryStream();
        first.Save(file);
        Assert.True(file.Length < 100_000, "zero pages must not be written");
        using VirtMachine second = TestMachine.New(TestMachine.Options);
        second.Ram.TryWrite(0x8070_0000, content);
        file.Position = 0;
        Assert.Null(second.Restore(file).Error);
        for (int page = 0; page < first.Ram.PageCount; page++)
        {
            Assert.True(first.Ram.ReadPage(page).SequenceEqual(second.Ram.ReadPage(page)), $"page {page}");
        }
    }

    /// <summary>A machine that is stopped while its network goes on: its cards' queues fill up.</summary>
    [Fact]
    public void Machine_with_cards_full_of_frames_comes_back_from_a_file()
    {
        using VirtMachine first = TestMachine.New(ManyCards());
        var frame = new byte[1514];
        foreach (NicOptions nic in first.Options.Nics)
        {
            for (int i = 0; i < 1000; i++)
            {
                ((RecordingBackend)nic.Backend).Deliver(frame);
            }
        }

        using var file = new MemoryStream();
        first.Save(file);
        Assert.True(file.Length > 6_000_000, $"{file.Length} bytes: the queues are not full");
        using VirtMachine second = TestMachine.New(ManyCards());
        file.Position = 0;
        Assert.Null(second.Restore(file).Error);
        Assert.Equal(WithoutWallClock(TestMachine.Save(first)), WithoutWallClock(TestMachine.Save(second)));
        static MachineOptions ManyCards() => TestMachine.Options with
        {
            Disks = [],
            Nics = [.. Enumerable.Range(1, 6).Select(n =>
                new NicOptions(new RecordingBackend(), [0x52, 0x54, 0, 0, 0, (byte)n]))],
        };
    }

    [Fact]
    public void Damaged_machine_file_is_an_error_not_an_exception()
    {
        using VirtMachine machine = TestMachine.New(TestMachine.Options, TestMachine.LoopForEver);
        using var file = new MemoryStream();
        machine.Save(file);
        byte[] good = file.ToArray();
        for (int length = 0; length < good.Length; length += 97)
        {
            Assert.False(machine.Restore(new MemoryStream(good, 0, length)).IsOk);
        }

        byte[] damaged = [.. good];
        damaged[^200] ^= 1;
        Assert.False(machine.Restore(new MemoryStream(damaged)).IsOk);
        byte[] other = [.. good];
        BinaryPrimitives.WriteUInt16LittleEndian(other.AsSpan(8), 9);
        string? error = machine.Restore(new MemoryStream(other)).Error;
        Assert.Contains("format version 9", error);
        Assert.Contains("reads version 1", error);
    }

    /// <summary>The wall clock moves between two saves; it stands in the first section behind mode and ticks.</summary>
    internal static byte[] WithoutWallClock(byte[] state)
    {
        byte[] copy = [.. state[..^4]];
        copy.AsSpan(24 + 12 + 9, 8).Clear();
        return copy;
    }
}
