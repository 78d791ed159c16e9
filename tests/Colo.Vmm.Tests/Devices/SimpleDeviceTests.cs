using Colo.Vmm.Devices.Aclint;
using Colo.Vmm.Devices.Plic;
using Colo.Vmm.Devices.Reset;
using Colo.Vmm.Devices.Rtc;
using Colo.Vmm.Devices.Uart;

namespace Colo.Vmm.Tests.Devices;

/// <summary>The devices that are registers only.</summary>
public class SimpleDeviceTests
{
    [Fact]
    public void Plic_claims_the_highest_priority_and_asks_again_while_the_line_is_high()
    {
        var hart = new RecordingHart();
        var plic = new PlicDevice([hart]);
        plic.Write(4 * 10, 4, 1);
        plic.Write(4 * 11, 4, 5);
        plic.Write(0x2080, 4, (1 << 10) | (1 << 11));
        plic.SetLevel(10, true);
        plic.SetLevel(11, true);
        Assert.True(hart.Has(9));
        Assert.False(hart.Has(11));
        Assert.Equal(11u, plic.Read(0x201004, 4));
        Assert.Equal(10u, plic.Read(0x201004, 4));
        Assert.False(hart.Has(9));
        plic.Write(0x201004, 4, 11);
        Assert.True(hart.Has(9));
        Assert.Equal(11u, plic.Read(0x201004, 4));
        plic.SetLevel(11, false);
        plic.Write(0x201004, 4, 11);
        Assert.Equal(0u, plic.Read(0x201004, 4));
    }

    [Fact]
    public void Plic_threshold_masks_lower_priorities()
    {
        var hart = new RecordingHart();
        var plic = new PlicDevice([hart]);
        plic.Write(4 * 3, 4, 2);
        plic.Write(0x2080, 4, 1 << 3);
        plic.Write(0x201000, 4, 2);
        plic.SetLevel(3, true);
        Assert.False(hart.Has(9));
        plic.Write(0x201000, 4, 1);
        Assert.True(hart.Has(9));
    }

    [Fact]
    public void Aclint_timer_fires_at_its_compare_value()
    {
        var hart = new RecordingHart();
        var clock = new ManualClock();
        var waker = new CountingWaker();
        var aclint = new AclintDevice([hart], clock, waker);
        aclint.Write(0x4000, 8, 100);
        Assert.Equal(100u, aclint.NextDeadline);
        Assert.Equal(1, waker.Count);
        aclint.Expire(99);
        Assert.False(hart.Has(7));
        clock.Ticks = 100;
        aclint.Expire(100);
        Assert.True(hart.Has(7));
        Assert.Equal(ulong.MaxValue, aclint.NextDeadline);
        aclint.Write(0x4004, 4, 1);
        Assert.False(hart.Has(7));
        aclint.Write(0, 4, 1);
        Assert.True(hart.Has(3));
    }

    [Fact]
    public void Uart_sends_lines_and_receives_through_its_fifo()
    {
        var line = new RecordingLine();
        using var console = new RecordingConsole();
        var uart = new UartDevice(line, new CountingWaker(), console);
        foreach (char c in "hi\n")
        {
            uart.Write(0, 1, c);
        }

        Assert.Equal("hi\n", console.Output);
        uart.Write(2, 1, 1);
        uart.Write(1, 1, 1);
        Assert.False(line.Level);
        console.Type("ab");
        uart.Service();
        Assert.True(line.Level);
        Assert.Equal(0x61u, uart.Read(5, 1) & 1 | 0x60);
        Assert.Equal((ulong)'a', uart.Read(0, 1));
        Assert.Equal((ulong)'b', uart.Read(0, 1));
        Assert.False(line.Level);
        Assert.Equal(0x60u, uart.Read(5, 1));
    }

    [Fact]
    public void Uart_goes_on_with_what_waits_at_the_host_after_its_fifo_was_cleared()
    {
        var line = new RecordingLine();
        using var console = new RecordingConsole();
        var uart = new UartDevice(line, new CountingWaker(), console);
        uart.Write(2, 1, 1);
        uart.Write(1, 1, 1);
        console.Type("0123456789abcdefgh");
        uart.Service();
        uart.Write(2, 1, 3);
        Assert.True(line.Level);
        Assert.Equal((ulong)'g', uart.Read(0, 1));
        Assert.Equal((ulong)'h', uart.Read(0, 1));
        Assert.False(line.Level);
    }

    [Fact]
    public void Uart_transmitter_interrupt_is_raised_when_enabled_and_cleared_by_identification()
    {
        var line = new RecordingLine();
        var uart = new UartDevice(line, new CountingWaker(), null);
        uart.Write(1, 1, 2);
        Assert.True(line.Level);
        Assert.Equal(2u, uart.Read(2, 1) & 0x0f);
        Assert.False(line.Level);
        uart.Write(0, 1, 'x');
        Assert.True(line.Level);
    }

    [Fact]
    public void Uart_loops_back_in_loopback_mode()
    {
        using var console = new RecordingConsole();
        var uart = new UartDevice(new RecordingLine(), new CountingWaker(), console);
        uart.Write(4, 1, 0x1a);
        Assert.Equal(0x90u, uart.Read(6, 1));
        uart.Write(0, 1, 'z');
        Assert.Equal((ulong)'z', uart.Read(0, 1));
        Assert.Equal("", console.Output);
    }

    [Fact]
    public void Rtc_latches_the_high_half_and_rings_its_alarm()
    {
        var line = new RecordingLine();
        var clock = new ManualClock();
        var waker = new CountingWaker();
        var rtc = new RtcDevice(line, clock, waker);
        ulong now = rtc.Read(0, 4) | (rtc.Read(4, 4) << 32);
        Assert.Equal(clock.WallNanoseconds, now);
        rtc.Write(0x10, 4, 1);
        ulong alarm = now + 1000;
        rtc.Write(0x0c, 4, alarm >> 32);
        rtc.Write(0x08, 4, (uint)alarm);
        Assert.Equal(11u, rtc.NextDeadline);
        Assert.Equal(1, waker.Count);
        clock.Ticks = 11;
        rtc.Expire(11);
        Assert.True(line.Level);
        rtc.Write(0x1c, 4, 1);
        Assert.False(line.Level);
    }

    [Theory]
    [InlineData(0x5555u, false, 0)]
    [InlineData(0x0003_3333u, false, 3)]
    [InlineData(0x7777u, true, 0)]
    public void Reset_device_understands_its_three_words(uint word, bool reboot, int code)
    {
        ResetRequest? seen = null;
        new ResetDevice(r => seen = r).Write(0, 4, word);
        Assert.Equal(new ResetRequest(reboot ? ResetKind.Reboot : ResetKind.PowerOff, code), seen);
    }
}
