using Colo.Vmm.Machine;
using Colo.Vmm.Tests.Cpu;
using static Colo.Vmm.Tests.Machine.TestMachine;

namespace Colo.Vmm.Tests.Machine;

/// <summary>Hart state management of the built-in SBI, asked by guests that run (SBI 2.0, chapter 9).</summary>
public sealed class SbiHartTests
{
    private static readonly TimeSpan HangLimit = TimeSpan.FromMinutes(2);
    private static readonly uint[] Management = [Lui(17, 0x485), Addi(17, 17, 0x34d)];

    private static readonly uint[] PowerOff =
        [Lui(17, 0x53525), Addi(17, 17, 0x354), Addi(16, 0, 0), Addi(10, 0, 0), Addi(11, 0, 0), Ecall, LoopForEver];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_hart_that_stops_itself_can_be_started_again(bool threads)
    {
        const ulong count = 0x8000_1000;
        uint[] first =
        [
            Addi(18, 0, 3), .. Management,
            // At 12: start hart 1 at the code behind; it must succeed.
            Addi(16, 0, 0), Addi(10, 0, 1), 0x0000_0597, Addi(11, 11, 88), Ecall, CodeWriter.Branch(1, 10, 0, 64),
            // At 36: until its state is "stopped".
            Addi(16, 0, 2), Addi(10, 0, 1), Ecall, Addi(5, 0, 1), CodeWriter.Branch(1, 11, 5, -16),
            Addi(18, 18, -1), CodeWriter.Branch(1, 18, 0, -48), .. PowerOff,
        ];
        uint[] program =
        [
            .. first, .. Enumerable.Repeat(LoopForEver, 27 - first.Length),
            // At 108: one more in memory, then stop.
            Lui(6, 0x80001), 0x0203_1313, 0x0203_5313, 0x0003_2383, Addi(7, 7, 1), 0x0073_2023,
            .. Management, Addi(16, 0, 1), Ecall, LoopForEver,
        ];
        using VirtMachine machine = New(Options with { HartCount = 2, HartThreads = threads }, program);
        machine.Start();
        MachineExit exit = await machine.Completion.WaitAsync(HangLimit);
        Assert.Equal(new MachineExit(MachineExitReason.GuestShutdown, 0), exit);
        Assert.True(machine.Ram.TryReadUInt32(count, out uint starts));
        Assert.Equal(3u, starts);
    }

    [Fact]
    public async Task A_suspended_hart_goes_on_when_its_timer_is_due()
    {
        uint[] program =
        [
            // sie.STIE; x9 = time + 2000; set_timer(x9); suspend; x6 = time.
            Addi(28, 0, 32), 0x104e_2073, 0xc010_23f3, Addi(9, 7, 2000), Addi(10, 9, 0),
            Lui(17, 0x54495), Addi(17, 17, -0x2bb), Addi(16, 0, 0), Ecall,
            .. Management, Addi(16, 0, 3), Addi(10, 0, 0), Ecall, 0xc010_2373, .. PowerOff,
        ];
        using VirtMachine machine = New(Options, program);
        machine.Start();
        await machine.Completion.WaitAsync(HangLimit);
        Colo.Vmm.Cpu.Hart hart = machine.Board.Harts[0].Hart;
        Assert.True(hart.GetX(6) >= hart.GetX(9), $"it went on at {hart.GetX(6)}, the timer was set to {hart.GetX(9)}");
    }
}
