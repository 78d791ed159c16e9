using System.Buffers;
using System.Buffers.Binary;
using Colo.Vmm.Block;
using Colo.Vmm.Devices;
using Colo.Vmm.Devices.Virtio;
using Colo.Vmm.Devices.VirtioBlock;
using static Colo.Vmm.Tests.Devices.RingSegment;

namespace Colo.Vmm.Tests.Devices;

public class BlockDeviceTests
{
    private const int SectorSize = 512;

    private static byte[] Header(BlockRequestType type, ulong sector)
    {
        var header = new byte[16];
        BinaryPrimitives.WriteUInt32LittleEndian(header, (uint)type);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(8), sector);
        return header;
    }

    /// <summary>A segment of a discard or write-zeroes request.</summary>
    private static byte[] Range(ulong sector, uint count)
    {
        var range = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(range, sector);
        BinaryPrimitives.WriteUInt32LittleEndian(range.AsSpan(8), count);
        return range;
    }

    private static byte Request(MockDriver driver, BlockRequestType type, ulong sector, params ReadOnlySpan<RingSegment> data)
    {
        ulong status = driver.Place([0xee]);
        driver.Add(0, [Out(driver.Place(Header(type, sector)), 16), .. data, In(status, 1)]);
        driver.Kick(0);
        return driver.Fetch(status, 1)[0];
    }

    [Fact]
    public void Written_sectors_are_read_back()
    {
        using var disk = new MemoryDevice(1 << 20);
        using var driver = new MockDriver(new BlockDevice(disk, "s")).Start();
        byte[] content = [.. Enumerable.Range(0, 1024).Select(i => (byte)(i * 7))];
        ulong source = driver.Place(content);
        Assert.Equal(0, Request(driver, BlockRequestType.Write, 5, Out(source, 1000), Out(source + 1000, 24)));
        driver.TakeUsed(0);
        ulong target = driver.Allocate(1024);
        Assert.Equal(0, Request(driver, BlockRequestType.Read, 5, In(target, 300), In(target + 300, 724)));
        Assert.Equal(content, driver.Fetch(target, 1024));
        Assert.Equal(1025u, driver.TakeUsed(0)!.Value.Written);
    }

    [Fact]
    public void Sectors_beyond_the_end_are_an_io_error()
    {
        using var disk = new MemoryDevice(1 << 20);
        using var driver = new MockDriver(new BlockDevice(disk, "s")).Start();
        Assert.Equal(1, Request(driver, BlockRequestType.Read, 2047, In(driver.Allocate(1024), 1024)));
        Assert.Equal(1, Request(driver, BlockRequestType.Read, ulong.MaxValue, In(driver.Allocate(512), 512)));
        Assert.Equal(1, Request(driver, BlockRequestType.Read, 0, In(driver.Allocate(100), 100)));
        Assert.False(driver.NeedsReset);
    }

    [Fact]
    public void Serial_is_padded_with_zeroes()
    {
        using var disk = new MemoryDevice(1 << 20);
        using var driver = new MockDriver(new BlockDevice(disk, "abc")).Start();
        ulong id = driver.Allocate(20);
        Assert.Equal(0, Request(driver, BlockRequestType.GetId, 0, In(id, 20)));
        Assert.Equal([.. "abc"u8, .. new byte[17]], driver.Fetch(id, 20));
    }

    [Fact]
    public void Unknown_request_is_unsupported()
    {
        using var disk = new MemoryDevice(1 << 20);
        using var driver = new MockDriver(new BlockDevice(disk, "s")).Start();
        Assert.Equal(2, Request(driver, (BlockRequestType)99, 0));
    }

    [Fact]
    public void Write_zeroes_clears_and_flush_succeeds()
    {
        using var disk = new MemoryDevice(1 << 20);
        using var driver = new MockDriver(new BlockDevice(disk, "s")).Start();
        byte[] content = [.. Enumerable.Repeat((byte)9, 1024)];
        Request(driver, BlockRequestType.Write, 8, Out(driver.Place(content), 1024));
        Assert.Equal(0, Request(driver, BlockRequestType.WriteZeroes, 0, Out(driver.Place(Range(8, 1)), 16)));
        Assert.Equal(0, Request(driver, BlockRequestType.Flush, 0));
        ulong target = driver.Allocate(1024);
        Request(driver, BlockRequestType.Read, 8, In(target, 1024));
        Assert.Equal([.. new byte[512], .. content[512..]], driver.Fetch(target, 1024));
    }

    [Fact]
    public void Discarded_sectors_are_given_to_the_disk_and_only_those()
    {
        using var disk = new MemoryDevice(1 << 20);
        using var driver = new MockDriver(new BlockDevice(disk, "s")).Start();
        byte[] content = [.. Enumerable.Repeat((byte)9, 1536)];
        Request(driver, BlockRequestType.Write, 8, Out(driver.Place(content), 1536));
        Assert.NotEqual(0u, driver.OfferedFeatures & (1 << 13));
        Assert.Equal(0, Request(driver, BlockRequestType.Discard, 0, Out(driver.Place(Range(9, 1)), 16)));
        Assert.Equal(1, Request(driver, BlockRequestType.Discard, 0, Out(driver.Place(Range(2047, 2)), 16)));
        ulong target = driver.Allocate(1536);
        Request(driver, BlockRequestType.Read, 8, In(target, 1536));
        Assert.Equal([.. content[..512], .. new byte[512], .. content[..512]], driver.Fetch(target, 1536));
    }

    [Fact]
    public void Read_only_disk_says_so_and_refuses_writes()
    {
        using var inner = new MemoryDevice(1 << 20);
        using var disk = new LateDisk(inner) { IsReadOnly = true };
        using var driver = new MockDriver(new BlockDevice(disk, "s")).Start();
        Assert.NotEqual(0u, driver.OfferedFeatures & (1 << 5));
        Assert.Equal(1, Request(driver, BlockRequestType.Write, 0, Out(driver.Allocate(512), 512)));
    }

    [Fact]
    public void Late_answer_is_finished_when_the_machine_services_its_devices()
    {
        using var inner = new MemoryDevice(1 << 20);
        using var disk = new LateDisk(inner) { IsLate = true };
        var device = new BlockDevice(disk, "s");
        using var driver = new MockDriver(device).Start();
        Assert.Equal(0xee, Request(driver, BlockRequestType.Read, 0, In(driver.Allocate(SectorSize), SectorSize)));
        Assert.Equal(1, device.RequestsInFlight);
        Assert.Null(driver.TakeUsed(0));
        disk.Answer();
        Assert.Equal(1, driver.Waker.Count);
        driver.Device.Service();
        Assert.Equal(0, device.RequestsInFlight);
        Assert.Equal(513u, driver.TakeUsed(0)!.Value.Written);
    }

    [Fact]
    public void Answer_that_comes_after_a_reset_touches_no_ring()
    {
        using var inner = new MemoryDevice(1 << 20);
        using var disk = new LateDisk(inner) { IsLate = true };
        var device = new BlockDevice(disk, "s");
        using var driver = new MockDriver(device).Start();
        Request(driver, BlockRequestType.Read, 0, In(driver.Allocate(SectorSize), SectorSize));
        driver.Start();
        disk.Answer();
        driver.Device.Service();
        Assert.Null(driver.TakeUsed(0));
        Assert.Equal(0, device.RequestsInFlight);
        Assert.False(driver.NeedsReset);
    }

    /// <summary>The read writes the index of the ring that it came from.</summary>
    [Fact]
    public void A_ring_that_refills_itself_gets_as_many_requests_a_time_as_it_has_places_and_goes_on()
    {
        using var disk = new RefillingDisk();
        using var driver = new MockDriver(new BlockDevice(disk, "s")).Start();
        RefillingDisk.Prepare(driver);
        driver.Kick(0);
        Assert.Equal(driver.QueueSize, disk.Reads);
        Assert.Equal(1, driver.Waker.Count);
        driver.Device.Service();
        Assert.Equal(2 * driver.QueueSize, disk.Reads);
        disk.ReadsMax = (2 * driver.QueueSize) + 2;
        driver.Device.Service();
        Assert.Equal(disk.ReadsMax, disk.Reads);
        Assert.Equal(disk.ReadsMax, driver.CountUsed(0));
        Assert.Equal(2, driver.Waker.Count);
        Assert.False(driver.NeedsReset);
    }

    [Fact]
    public void A_device_that_is_about_to_stand_takes_no_request_and_a_restored_one_takes_what_waits()
    {
        using var inner = new MemoryDevice(1 << 20);
        using var late = new LateDisk(inner) { IsLate = true };
        var device = new BlockDevice(late, "s");
        using var driver = new MockDriver(device).Start();
        Request(driver, BlockRequestType.Read, 0, In(driver.Allocate(SectorSize), SectorSize));
        ulong status = driver.Place([0xee]);
        driver.Add(0, Out(driver.Place(Header(BlockRequestType.Flush, 0)), 16), In(status, 1));
        late.Answer();
        device.FinishAnswered();
        Assert.Equal(0, device.RequestsInFlight);
        Assert.Equal(1, driver.CountUsed(0));
        Assert.Equal(1u, driver.Read(0x60));

        var image = new ArrayBufferWriter<byte>();
        driver.Device.Save(new StateWriter(image));
        var waker = new CountingWaker();
        var restored = new VirtioMmioDevice(0, new BlockDevice(inner, "s"), driver.Ram, new RecordingLine(), waker);
        var reader = new StateReader(image.WrittenSpan);
        restored.Restore(restored.Decode(ref reader, 1)!);
        Assert.Equal(1, waker.Count);
        Assert.Equal(0xee, driver.Fetch(status, 1)[0]);
        restored.Service();
        Assert.Equal(0, driver.Fetch(status, 1)[0]);
        Assert.Equal(2, driver.CountUsed(0));
    }

    [Fact]
    public void A_driver_that_does_not_wait_has_no_more_requests_in_flight_than_its_ring_has_places()
    {
        using var inner = new MemoryDevice(1 << 20);
        using var disk = new LateDisk(inner) { IsLate = true };
        var device = new BlockDevice(disk, "s");
        using var driver = new MockDriver(device).Start();

        // Reads of nothing: like flushes they have no bytes.
        ushort head = driver.Add(
            0, Out(driver.Place(Header(BlockRequestType.Read, 0)), 16), In(driver.Place([0xee]), 1));
        for (int i = 1; i < 2 * driver.QueueSize; i++)
        {
            driver.Kick(0);
            driver.MakeAvailable(0, head);
        }

        driver.Kick(0);
        Assert.Equal(driver.QueueSize, device.RequestsInFlight);
        for (int i = 0; i < 2 * driver.QueueSize; i++)
        {
            disk.Answer();
            driver.Device.Service();
        }

        Assert.Equal(2 * driver.QueueSize, driver.CountUsed(0));
        Assert.Equal(0, device.RequestsInFlight);
        Assert.False(driver.NeedsReset);
    }
}
