using Colo.Vmm.Cpu;
using Colo.Vmm.Machine;
using Colo.Vmm.Tests.Devices;
using static Colo.Vmm.Tests.Machine.TestMachine;

namespace Colo.Vmm.Tests.Machine;

public class VirtMachineTests
{
    private static readonly TimeSpan HangLimit = TimeSpan.FromSeconds(60);

    /// <summary>li a7, SRST; li a6, 0; li a0, 0; li a1, 0; ecall</summary>
    private static readonly uint[] PowerOff =
        [Lui(17, 0x53525), Addi(17, 17, 0x354), Addi(16, 0, 0), Addi(10, 0, 0), Addi(11, 0, 0), Ecall, LoopForEver];

    [Fact]
    public async Task Power_off_ends_the_machine_with_code_0()
    {
        using VirtMachine machine = New(Options, PowerOff);
        machine.Start();
        MachineExit exit = await machine.Completion.WaitAsync(HangLimit);
        Assert.Equal(new MachineExit(MachineExitReason.GuestShutdown, 0), exit);
        Assert.False(machine.IsRunning);
    }

    [Fact]
    public async Task Statistics_count_how_often_decoded_code_had_to_go()
    {
        // More blocks than fit, each executed once: nothing is compiled, so nothing else is dropped.
        uint[] blocks = [.. Enumerable.Range(0, 9000).SelectMany(_ => (uint[])[Addi(5, 5, 1), Jump(4)])];
        MachineOptions options = Options with { Hart = new HartOptions { DecodedBytesMax = 512 << 10 } };
        using VirtMachine machine = New(options, [.. blocks, .. PowerOff]);
        machine.Start();
        await machine.Completion.WaitAsync(HangLimit);
        TierStatistics statistics = machine.TierStatistics!;
        Assert.True(statistics.DecodedEvictions > 0, "everything fitted");
        Assert.Equal((0, 0, 0), (statistics.Regions, statistics.Evicted, statistics.Dropped));
    }

    /// <summary>Once the clock stood for ever when Resume overtook the start of the machine's thread.</summary>
    [Fact]
    public async Task Guest_time_runs_from_the_start()
    {
        // x6 = 1000; read time into x5 until it is not below x6; power off.
        using VirtMachine machine = New(Options, [Addi(6, 0, 1000), 0xc010_22f3, 0xfe62_eee3, .. PowerOff]);
        machine.Start();
        MachineExit exit = await machine.Completion.WaitAsync(HangLimit);
        Assert.Equal(MachineExitReason.GuestShutdown, exit.Reason);
    }

    [Theory]
    [InlineData(LoopForEver)]
    [InlineData(Wfi)]
    public void Paused_machine_stands_still_and_goes_on(uint instruction)
    {
        using VirtMachine machine = New(Options, instruction, Jump(-4));
        machine.Start();
        for (int i = 0; i < 100; i++)
        {
            machine.Pause();
            ulong retired = machine.InstructionsRetired;
            byte[] first = MachineStateTests.WithoutWallClock(Save(machine));
            Assert.Equal(first, MachineStateTests.WithoutWallClock(Save(machine)));
            Assert.Equal(retired, machine.InstructionsRetired);
            machine.Resume();
            Assert.True(
                instruction == Wfi || SpinWait.SpinUntil(() => machine.InstructionsRetired > retired, HangLimit),
                $"it does not go on after pause {i}");
        }
    }

    [Fact]
    public void Guest_time_stands_while_paused_and_does_not_jump_back_on_another_machine()
    {
        using VirtMachine first = New(Options, LoopForEver);
        first.Start();
        first.Pause();
        ulong time = first.Board.Clock.ReadTime();
        Assert.Equal(time, first.Board.Clock.ReadTime());
        using VirtMachine second = New(Options, LoopForEver);
        Assert.Null(second.RestoreDevices(Save(first)).Error);
        Assert.Equal(time, second.Board.Clock.ReadTime());
        second.Start();
        second.Pause();
        Assert.True(second.Board.Clock.ReadTime() >= time);
        Assert.True(second.Board.Clock.ReadWallClockNanoseconds() >= first.Board.Clock.ReadWallClockNanoseconds() - 60_000_000_000);
    }

    [Fact]
    public void Guest_time_goes_on_by_what_has_passed_elsewhere_and_only_so_much()
    {
        using VirtMachine machine = New(Options, LoopForEver);
        machine.Start();
        machine.Pause();
        ulong time = machine.Board.Clock.ReadTime();
        machine.AdvanceClock(TimeSpan.FromMilliseconds(7));
        Assert.Equal(time + 70_000, machine.Board.Clock.ReadTime());
        machine.CatchUpClock();
        ulong caughtUp = machine.Board.Clock.ReadTime();
        Assert.True(caughtUp >= time + 70_000);
        machine.AdvanceClock(TimeSpan.FromMilliseconds(-7));
        Assert.Equal(caughtUp, machine.Board.Clock.ReadTime());
    }

    [Fact]
    public void A_clock_that_counts_instructions_is_not_moved_on()
    {
        using VirtMachine machine = New(Options with { Clock = ClockMode.InstructionCount }, LoopForEver);
        machine.Start();
        machine.Pause();
        ulong time = machine.Board.Clock.ReadTime();
        machine.AdvanceClock(TimeSpan.FromSeconds(1));
        machine.CatchUpClock();
        Assert.Equal(time, machine.Board.Clock.ReadTime());
    }

    [Fact]
    public void Reset_puts_a_standing_machine_back_to_its_entry()
    {
        using VirtMachine machine = New(Options, Addi(5, 5, 1), Jump(-4));
        machine.Start();
        machine.Pause();
        machine.Reset();
        Assert.Equal(machine.Ram.BaseAddress, machine.Board.Harts[0].Hart.Pc);
        Assert.Equal(0u, machine.Board.Harts[0].Hart.GetX(5));
        Assert.False(machine.IsRunning);
    }

    [Fact]
    public void Invalid_options_are_all_named()
    {
        MachineOptions options = Options with { MemoryBytes = 12345, HartCount = 9 };
        var error = Assert.Throws<ArgumentException>(() => new VirtMachine(options));
        Assert.Contains("12345", error.Message);
        Assert.Contains("smp is 9", error.Message);
    }

    [Fact]
    public void Frames_that_arrive_while_paused_wait_for_the_guest()
    {
        MachineOptions options = Options;
        using VirtMachine machine = New(options, LoopForEver);
        machine.Start();
        machine.Pause();
        var backend = (RecordingBackend)options.Nics[0].Backend;
        backend.Deliver(new byte[60]);
        Assert.Equal(0, machine.Board.Nics[0].Metrics.FramesDropped);
        machine.Resume();
        machine.Pause();
    }

    [Fact]
    public async Task Instruction_clock_gives_the_same_trace_twice()
    {
        // Reads the time 200 times into x5 ^ rotation, then powers off; the guest ends with the same registers and
        // count.
        uint[] program =
        [
            Addi(6, 0, 200), 0xc010_23f3, 0x0072_c2b3, Addi(6, 6, -1), 0xfe03_1ae3, .. PowerOff,
        ];
        var seen = new List<(ulong, ulong, ulong)>();
        for (int run = 0; run < 2; run++)
        {
            using VirtMachine machine = New(Options with { Clock = ClockMode.InstructionCount }, program);
            machine.Start();
            await machine.Completion.WaitAsync(HangLimit);
            Colo.Vmm.Cpu.Hart hart = machine.Board.Harts[0].Hart;
            seen.Add((hart.GetX(5), hart.GetX(7), hart.InstructionsRetired));
        }

        Assert.NotEqual(0u, seen[0].Item2);
        Assert.Equal(seen[0], seen[1]);
    }

    /// <summary>Waits, timer interrupts and the state of every device, not only registers.</summary>
    [Fact]
    public async Task Instruction_clock_gives_the_same_state_twice_to_a_guest_that_sleeps()
    {
        // sie.STIE; 200 times: x5 ^= time, stimecmp = time + 500, wfi.
        uint[] program =
        [
            Addi(28, 0, 32), 0x104e_2073, Addi(6, 0, 200),
            0xc010_23f3, 0x0072_c2b3, Addi(7, 7, 500), 0x14d3_9073, Wfi, Addi(6, 6, -1), 0xfe03_14e3, .. PowerOff,
        ];
        var states = new List<byte[]>();
        for (int run = 0; run < 2; run++)
        {
            using VirtMachine machine = New(Options with { Clock = ClockMode.InstructionCount }, program);
            machine.Start();
            await machine.Completion.WaitAsync(HangLimit);
            Colo.Vmm.Cpu.Hart hart = machine.Board.Harts[0].Hart;
            Assert.Equal(0u, hart.GetX(6));
            Assert.True(hart.GetX(7) >= 199 * 500, $"time went on to {hart.GetX(7)} only");
            states.Add(MachineStateTests.WithoutWallClock(Save(machine)));
        }

        Assert.Equal(states[0], states[1]);
    }
}
