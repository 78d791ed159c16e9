using Colo.Vmm.Cpu;
using Colo.Vmm.Devices.Reset;
using Colo.Vmm.Machine;
using Colo.Vmm.Tests.Devices;

namespace Colo.Vmm.Tests.Machine;

public sealed class SbiFirmwareTests : IDisposable
{
    private const ulong Base = 0x10;
    private const ulong Time = 0x5449_4d45;
    private const ulong Harts = 0x48_534d;
    private const ulong Reset = 0x5352_5354;
    private const ulong Console = 0x4442_434e;
    private const ulong Ipi = 0x73_5049;
    private const ulong Fence = 0x5246_4e43;
    private const ulong Pmu = 0x50_4d55;
    private readonly VirtMachine _machine = TestMachine.New(TestMachine.Options with { HartCount = 2 }, TestMachine.LoopForEver);

    private (long Error, ulong Value) Call(ulong extension, ulong function, params ReadOnlySpan<ulong> arguments)
    {
        Hart hart = _machine.Board.Harts[0].Hart;
        for (int i = 0; i < arguments.Length; i++)
        {
            hart.SetX(10 + i, arguments[i]);
        }

        hart.SetX(17, extension);
        hart.SetX(16, function);
        new SbiFirmware(_machine.Board).HandleCall(hart);
        return ((long)hart.GetX(10), hart.GetX(11));
    }

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Base_reports_version_2_and_what_is_there()
    {
        Assert.Equal((0, 0x0200_0000u), Call(Base, 0));
        Assert.Equal((0, 1u), Call(Base, 3, Time));
        Assert.Equal((0, 0u), Call(Base, 3, Pmu));
        Assert.Equal(-2, Call(Pmu, 0).Error);
        Assert.Equal(-2, Call(Base, 99).Error);
    }

    [Fact]
    public void Timer_sets_the_next_deadline()
    {
        Assert.Equal(0, Call(Time, 0, 5_000_000_000).Error);
        Assert.Equal(5_000_000_000u, _machine.Board.Harts[0].NextDeadline);
    }

    [Fact]
    public void Second_hart_is_started_once_and_its_state_is_told()
    {
        Assert.Equal((0, 1u), Call(Harts, 2, 1));
        Assert.Equal(0, Call(Harts, 0, 1, 0x8000_0000, 77).Error);
        Assert.Equal((0, 0u), Call(Harts, 2, 1));
        Assert.Equal(-6, Call(Harts, 0, 1, 0x8000_0000, 77).Error);
        Assert.Equal(-3, Call(Harts, 0, 9, 0x8000_0000, 77).Error);
        Hart second = _machine.Board.Harts[1].Hart;
        Assert.Equal(0x8000_0000u, second.Pc);
        Assert.Equal(1u, second.GetX(10));
        Assert.Equal(77u, second.GetX(11));
    }

    [Fact]
    public void Hart_outside_memory_is_not_started()
    {
        Assert.Equal(-5, Call(Harts, 0, 1, 0x1000, 0).Error);
    }

    [Fact]
    public void Interrupts_and_fences_take_a_mask_and_a_base()
    {
        Assert.Equal(0, Call(Ipi, 0, 1, 1).Error);
        Assert.Equal(2u, _machine.Board.Harts[1].Hart.ReadCsr(0x144) & 2);
        Assert.Equal(0, Call(Ipi, 0, 0, ulong.MaxValue).Error);
        Assert.Equal(-3, Call(Ipi, 0, 4, 0).Error);
        Assert.Equal(0, Call(Fence, 1, 3, 0, 0, 4096).Error);
        Assert.Equal(-2, Call(Fence, 5, 1, 0).Error);
    }

    [Fact]
    public void Console_writes_from_memory_and_refuses_other_addresses()
    {
        _machine.Ram.TryWrite(0x8010_0000, "hello"u8);
        Assert.Equal((0, 5u), Call(Console, 0, 5, 0x8010_0000, 0));
        Assert.Equal(-3, Call(Console, 0, 5, 0x10, 0).Error);
        Assert.Equal(0, Call(Console, 2, '!').Error);
        Assert.Equal("hello!", ((RecordingConsole)_machine.Options.Console!).Output);
    }

    [Fact]
    public void Console_reads_what_was_typed_and_takes_nothing_that_it_cannot_store()
    {
        Assert.Equal((0, 0u), Call(Console, 1, 10, 0x8010_0000, 0));
        ((RecordingConsole)_machine.Options.Console!).Type("typed by a person");
        Assert.Equal(-3, Call(Console, 1, 5, 0x10, 0).Error);
        Assert.Equal((0, 6u), Call(Console, 1, 6, 0x8010_0000, 0));
        Assert.Equal((0, 11u), Call(Console, 1, 4096, 0x8010_0006, 0));
        var text = new byte[17];
        Assert.True(_machine.Ram.TryRead(0x8010_0000, text));
        Assert.Equal("typed by a person"u8, text);
        Assert.Equal((0, 0u), Call(Console, 1, 10, 0x8010_0000, 0));
    }

    [Fact]
    public void System_reset_becomes_a_request_to_the_board()
    {
        Call(Reset, 0, 0, 0);
        Assert.Equal(new ResetRequest(ResetKind.PowerOff, 0), _machine.Board.PendingReset);
        Assert.Equal(-3, Call(Reset, 0, 17, 0).Error);
    }
}
