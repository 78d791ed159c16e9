using Colo.Vmm.Devices.Virtio;
using Colo.Vmm.Devices.VirtioRng;
using static Colo.Vmm.Tests.Devices.RingSegment;

namespace Colo.Vmm.Tests.Devices;

/// <summary>Transport and rings, shown on the simplest device.</summary>
public class VirtqueueTests
{
    private static MockDriver NewDriver() => new(new RngDevice(new SeededEntropy(7)));

    [Fact]
    public void Slot_without_function_shows_magic_and_device_zero()
    {
        using var driver = NewDriver();
        var empty = new VirtioMmioDevice(3, null, driver.Ram, driver.Line, driver.Waker);
        Assert.Equal(0x74726976u, empty.Read(0, 4));
        Assert.Equal(2u, empty.Read(4, 4));
        Assert.Equal(0u, empty.Read(8, 4));
    }

    [Fact]
    public void Features_without_version_1_are_refused()
    {
        using var driver = NewDriver();
        driver.Write(0x70, 3);
        driver.Write(0x70, 11);
        Assert.Equal(VirtioStatus.None, driver.Status & VirtioStatus.FeaturesOk);
    }

    [Fact]
    public void Features_that_were_not_offered_are_refused()
    {
        using var driver = NewDriver();
        driver.Write(0x70, 3);
        driver.Write(0x24, 1);
        driver.Write(0x20, 1 | (1 << 7));
        driver.Write(0x70, 11);
        Assert.Equal(VirtioStatus.None, driver.Status & VirtioStatus.FeaturesOk);
    }

    [Fact]
    public void Buffer_is_filled_used_and_signalled()
    {
        using var driver = NewDriver().Start();
        ulong data = driver.Allocate(32);
        ushort head = driver.Add(0, In(data, 32));
        driver.Kick(0);
        Assert.Equal((head, 32u), driver.TakeUsed(0));
        Assert.True(driver.Line.Level);
        Assert.Contains(driver.Fetch(data, 32), b => b != 0);
        driver.Acknowledge();
        Assert.False(driver.Line.Level);
    }

    [Fact]
    public void Indirect_table_is_followed()
    {
        using var driver = NewDriver().Start();
        ulong first = driver.Allocate(16);
        ulong second = driver.Allocate(16);
        driver.AddIndirect(0, In(first, 16), In(second, 16));
        driver.Kick(0);
        Assert.Equal(32u, driver.TakeUsed(0)!.Value.Written);
        Assert.Contains(driver.Fetch(second, 16), b => b != 0);
    }

    [Fact]
    public void Indirect_table_that_was_not_negotiated_breaks_the_device()
    {
        using var driver = NewDriver().Start(~VirtioFeatures.IndirectDescriptors);
        driver.AddIndirect(0, In(driver.Allocate(16), 16));
        driver.Kick(0);
        Assert.True(driver.NeedsReset);
    }

    [Fact]
    public void No_interrupt_flag_is_honoured_without_event_index()
    {
        using var driver = NewDriver().Start(~VirtioFeatures.EventIndex);
        driver.Ram.TryWriteUInt16(driver.AvailableRing(0), 1);
        driver.Add(0, In(driver.Allocate(8), 8));
        driver.Kick(0);
        Assert.NotNull(driver.TakeUsed(0));
        Assert.False(driver.Line.Level);
    }

    [Fact]
    public void Event_index_delays_the_interrupt_until_the_index_is_passed()
    {
        using var driver = NewDriver().Start();
        ulong usedEvent = driver.AvailableRing(0) + 4 + ((ulong)driver.QueueSize * 2);
        driver.Add(0, In(driver.Allocate(8), 8));
        driver.Kick(0);
        driver.Acknowledge();
        driver.Ram.TryWriteUInt16(usedEvent, 2);
        driver.Add(0, In(driver.Allocate(8), 8));
        driver.Kick(0);
        Assert.False(driver.Line.Level);
        driver.Add(0, In(driver.Allocate(8), 8));
        driver.Kick(0);
        Assert.True(driver.Line.Level);
    }

    [Theory]
    [InlineData(0x7fff_f000ul, 16u, 2)]
    [InlineData(0xffff_ffff_ffff_fff8ul, 16u, 2)]
    [InlineData(MockDriver.DataBase, 0u, 2)]
    [InlineData(MockDriver.DataBase, uint.MaxValue, 2)]
    [InlineData(MockDriver.DataBase, 16u, 3)]
    public void Impossible_descriptor_asks_for_a_reset(ulong address, uint length, int flags)
    {
        using var driver = NewDriver().Start();
        driver.WriteDescriptor(driver.DescriptorTable(0), 0, address, length, flags, 0);
        driver.MakeAvailable(0, 0);
        driver.Kick(0);
        Assert.True(driver.NeedsReset);
        Assert.Null(driver.TakeUsed(0));
        Assert.Equal(2u, driver.Read(0x60) & 2);
        driver.Start();
        driver.Add(0, In(driver.Allocate(8), 8));
        driver.Kick(0);
        Assert.NotNull(driver.TakeUsed(0));
    }

    [Fact]
    public void Available_index_that_runs_ahead_asks_for_a_reset()
    {
        using var driver = NewDriver().Start();
        driver.Ram.TryWriteUInt16(driver.AvailableRing(0) + 2, 1000);
        driver.Kick(0);
        Assert.True(driver.NeedsReset);
    }

    [Theory]
    [InlineData(3u)]
    [InlineData(0u)]
    [InlineData(512u)]
    [InlineData(65536u)]
    public void Impossible_ring_size_is_refused(uint size)
    {
        using var driver = NewDriver();
        driver.Write(0x70, 3);
        driver.Write(0x30, 0);
        driver.Write(0x38, size);
        driver.Write(0x80, (uint)MockDriver.RamBase);
        driver.Write(0x90, (uint)MockDriver.RamBase + 0x2000);
        driver.Write(0xa0, (uint)MockDriver.RamBase + 0x4000);
        driver.Write(0x44, 1);
        Assert.Equal(0u, driver.Read(0x44));
        Assert.True(driver.NeedsReset);
    }
}
