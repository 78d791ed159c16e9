using Colo.Vmm.Block;
using Colo.Vmm.Devices.Virtio;
using Colo.Vmm.Devices.VirtioBlock;
using Colo.Vmm.Devices.VirtioConsole;
using Colo.Vmm.Devices.VirtioInput;
using Colo.Vmm.Devices.VirtioNet;
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

    /// <summary>With harts on threads of their own, another one may add a buffer after the device has found the queue
    /// empty and before it asks to be notified; by the old request the driver need not.</summary>
    [Theory]
    [InlineData("block", 0)]
    [InlineData("rng", 0)]
    [InlineData("net", 1)]
    [InlineData("console", 1)]
    [InlineData("input", 1)]
    public void A_buffer_that_another_hart_adds_while_the_device_asks_to_be_notified_is_taken(string kind, int queue)
    {
        using var backend = new RecordingBackend();
        using var console = new RecordingConsole();
        using var disk = new MemoryDevice(1 << 20);
        using var driver = new MockDriver(kind switch
        {
            "block" => new BlockDevice(disk, "s"),
            "rng" => new RngDevice(new SeededEntropy(7)),
            "net" => new NetDevice(backend, [2, 0, 0, 0, 0, 1], 1500, offerChecksum: false),
            "console" => new ConsoleDevice(console),
            _ => new InputDevice(),
        }).Start();
        void Add()
        {
            RingSegment[] request = kind switch
            {
                "block" => [Out(driver.Place(new byte[16]), 16), In(driver.Allocate(513), 513)],
                "rng" => [In(driver.Allocate(16), 16)],
                _ => [Out(driver.Place(new byte[80]), 80)],
            };
            driver.Add(queue, request);
        }

        bool mustKick = true;
        var other = new OtherHart(driver, queue, 1, () =>
        {
            Add();
            mustKick = driver.MustKick(queue, 1);
        });
        Add();
        driver.Kick(queue);
        Assert.True(other.HasActed);
        Assert.False(mustKick);
        for (int waker = 0; waker < driver.Waker.Count; waker++)
        {
            driver.Device.Service();
        }

        Assert.Equal(2, driver.CountUsed(queue));
        Add();
        Assert.True(driver.MustKick(queue, 2));
    }

    [Theory]
    [InlineData("net")]
    [InlineData("console")]
    [InlineData("input")]
    public void A_buffer_that_another_hart_adds_gets_what_waits_for_one(string kind)
    {
        using var backend = new RecordingBackend();
        using var console = new RecordingConsole();
        var button = new InputDevice();
        using var driver = new MockDriver(kind switch
        {
            "net" => new NetDevice(backend, [2, 0, 0, 0, 0, 1], 1500, offerChecksum: false),
            "console" => new ConsoleDevice(console),
            _ => button,
        }).Start();
        void Add() => driver.Add(0, In(driver.Allocate(2048), 2048));
        var other = new OtherHart(driver, 0, 1, Add);
        Add();
        driver.Kick(0);
        backend.Deliver(new byte[60]);
        backend.Deliver(new byte[60]);
        console.Type(new string('x', 4000));
        if (kind == "input")
        {
            button.Press();
        }

        driver.Device.Service();
        Assert.True(other.HasActed);
        Assert.Equal(2, driver.CountUsed(0));
    }

    /// <summary>A frame that needs three buffers finds two, is taken back, and must be told of the third.</summary>
    [Fact]
    public void A_frame_that_finds_too_few_buffers_is_placed_when_the_rest_comes()
    {
        using var backend = new RecordingBackend();
        using var driver = new MockDriver(
            new NetDevice(backend, [2, 0, 0, 0, 0, 1], 1500, offerChecksum: false)).Start();
        driver.Add(0, In(driver.Allocate(512), 512));
        driver.Add(0, In(driver.Allocate(512), 512));
        backend.Deliver(new byte[1400]);
        driver.Device.Service();
        Assert.Equal(0, driver.CountUsed(0));
        driver.Add(0, In(driver.Allocate(512), 512));
        Assert.True(driver.MustKick(0, 2));
        driver.Kick(0);
        Assert.Equal(3, driver.CountUsed(0));
    }
}
