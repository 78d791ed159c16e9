using System.Buffers;
using Colo.Vmm.Devices;
using Colo.Vmm.Devices.VirtioNet;
using static Colo.Vmm.Tests.Devices.RingSegment;

namespace Colo.Vmm.Tests.Devices;

public class NetDeviceTests
{
    private const int HeaderSize = 12;
    private const ulong MergeableBuffers = 1ul << 15;
    private static readonly byte[] Mac = [0x52, 0x54, 0, 1, 2, 3];

    [Fact]
    public void Config_shows_mac_link_and_mtu()
    {
        using var backend = new RecordingBackend();
        using var driver = new MockDriver(new NetDevice(backend, Mac, 1400, offerChecksum: false));
        for (int i = 0; i < 6; i++)
        {
            Assert.Equal(Mac[i], (byte)driver.Device.Read(0x100 + (ulong)i, 1));
        }

        Assert.Equal(1u, driver.Device.Read(0x106, 2));
        Assert.Equal(1400u, driver.Device.Read(0x10a, 2));
    }

    [Fact]
    public void Checksum_offload_is_not_offered_by_default()
    {
        using var backend = new RecordingBackend();
        using var driver = new MockDriver(new NetDevice(backend, Mac, 1500, offerChecksum: false)).Start();
        Assert.Equal(0u, driver.OfferedFeatures & 1);
    }

    [Fact]
    public void Transmitted_frame_leaves_without_its_header()
    {
        using var backend = new RecordingBackend();
        using var driver = new MockDriver(new NetDevice(backend, Mac, 1500, offerChecksum: false)).Start();
        byte[] frame = [.. Enumerable.Range(0, 100).Select(i => (byte)i)];
        ulong header = driver.Place(new byte[HeaderSize]);
        ushort head = driver.Add(1, Out(header, HeaderSize), Out(driver.Place(frame), frame.Length));
        driver.Kick(1);
        Assert.Equal(frame, Assert.Single(backend.Sent));
        Assert.Equal((head, 0u), driver.TakeUsed(1));
    }

    [Theory]
    [InlineData(false, 2, 3)]
    [InlineData(true, 0, 1)]
    public void The_guest_is_woken_for_each_frame_or_when_the_back_end_tells(bool tells, int before, int after)
    {
        using var backend = new RecordingBackend { TellsDelivered = tells };
        using var driver = new MockDriver(new NetDevice(backend, Mac, 1500, offerChecksum: false)).Start();
        int began = driver.Waker.Count;
        backend.Deliver(new byte[60]);
        backend.Deliver(new byte[60]);
        Assert.Equal(before, driver.Waker.Count - began);
        backend.Delivered!();
        Assert.Equal(after, driver.Waker.Count - began);
    }

    [Fact]
    public void Requested_checksum_is_completed_when_negotiated()
    {
        using var backend = new RecordingBackend();
        using var driver = new MockDriver(new NetDevice(backend, Mac, 1500, offerChecksum: true)).Start();
        // RFC 1071's example: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2; the checksum is its complement.
        byte[] frame = [0xaa, 0xbb, 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7, 0, 0];
        byte[] packet = [1, 0, 0, 0, 0, 0, 2, 0, 8, 0, 0, 0, .. frame];
        driver.Add(1, Out(driver.Place(packet), packet.Length));
        driver.Kick(1);
        Assert.Equal([0x22, 0x0d], Assert.Single(backend.Sent)[^2..]);
    }

    [Fact]
    public void Offload_that_was_not_negotiated_is_refused()
    {
        using var backend = new RecordingBackend();
        var device = new NetDevice(backend, Mac, 1500, offerChecksum: false);
        using var driver = new MockDriver(device).Start();
        byte[] packet = [1, 1, .. new byte[70]];
        driver.Add(1, Out(driver.Place(packet), packet.Length));
        driver.Kick(1);
        Assert.Empty(backend.Sent);
        Assert.Equal(1, device.Metrics.FramesRefused);
        Assert.NotNull(driver.TakeUsed(1));
    }

    [Fact]
    public void Received_frame_spans_as_many_buffers_as_it_needs()
    {
        using var backend = new RecordingBackend();
        using var driver = new MockDriver(new NetDevice(backend, Mac, 1500, offerChecksum: false)).Start();
        ulong first = driver.Allocate(64);
        ulong second = driver.Allocate(64);
        driver.Add(0, In(first, 64));
        driver.Add(0, In(second, 64));
        byte[] frame = [.. Enumerable.Range(0, 100).Select(i => (byte)i)];
        backend.Deliver(frame);
        driver.Device.Service();
        Assert.Equal(64u, driver.TakeUsed(0)!.Value.Written);
        Assert.Equal(48u, driver.TakeUsed(0)!.Value.Written);
        byte[] header = driver.Fetch(first, HeaderSize);
        Assert.Equal(2, header[10]);
        Assert.Equal(frame, driver.Fetch(first + HeaderSize, 52).Concat(driver.Fetch(second, 48)));
        Assert.True(driver.Line.Level);
    }

    [Fact]
    public void Frame_waits_until_the_guest_has_room_for_all_of_it()
    {
        using var backend = new RecordingBackend();
        using var driver = new MockDriver(new NetDevice(backend, Mac, 1500, offerChecksum: false)).Start();
        driver.Add(0, In(driver.Allocate(64), 64));
        backend.Deliver(new byte[100]);
        driver.Device.Service();
        Assert.Null(driver.TakeUsed(0));
        driver.Add(0, In(driver.Allocate(64), 64));
        driver.Kick(0);
        Assert.NotNull(driver.TakeUsed(0));
        Assert.NotNull(driver.TakeUsed(0));
    }

    /// <summary>A tagged frame of full length, from anybody in the LAN, and the buffer that the specification asks
    /// for.</summary>
    [Fact]
    public void Frame_that_is_longer_than_a_buffer_without_merging_is_dropped_and_the_next_one_gets_the_buffer()
    {
        using var backend = new RecordingBackend();
        var device = new NetDevice(backend, Mac, 1500, offerChecksum: false);
        using var driver = new MockDriver(device).Start(~MergeableBuffers);
        ulong buffer = driver.Allocate(1526);
        ushort head = driver.Add(0, In(buffer, 1526));
        backend.Deliver(new byte[1518]);
        byte[] frame = [.. Enumerable.Range(0, 1514).Select(i => (byte)i)];
        backend.Deliver(frame);
        driver.Device.Service();
        Assert.False(driver.NeedsReset);
        Assert.Equal((head, 1526u), driver.TakeUsed(0));
        Assert.Equal(frame, driver.Fetch(buffer + HeaderSize, 1514));
        Assert.Equal((1, 1), (device.Metrics.FramesReceived, device.Metrics.FramesDropped));
    }

    [Theory]
    [InlineData(HeaderSize - 1, true)]
    [InlineData(HeaderSize - 1, false)]
    public void Buffer_without_room_for_the_header_asks_for_a_reset(int length, bool mergeable)
    {
        using var backend = new RecordingBackend();
        using var driver = new MockDriver(new NetDevice(backend, Mac, 1500, offerChecksum: false))
            .Start(mergeable ? ulong.MaxValue : ~MergeableBuffers);
        driver.Add(0, In(driver.Allocate(length), length));
        backend.Deliver(new byte[100]);
        driver.Device.Service();
        Assert.True(driver.NeedsReset);
    }

    [Fact]
    public void Frames_beyond_the_queue_are_dropped_and_counted()
    {
        using var backend = new RecordingBackend();
        var device = new NetDevice(backend, Mac, 1500, offerChecksum: false);
        using var driver = new MockDriver(device).Start();
        for (int i = 0; i < 2000; i++)
        {
            backend.Deliver(new byte[1500]);
        }

        Assert.True(device.Metrics.FramesDropped > 0);
    }

    [Fact]
    public void Frames_that_wait_for_the_guest_are_a_part_of_its_state()
    {
        using var backend = new RecordingBackend();
        var device = new NetDevice(backend, Mac, 1500, offerChecksum: false);
        using var driver = new MockDriver(device).Start();
        backend.Deliver([1, 2, 3]);
        backend.Deliver([4, 5, 6, 7]);
        byte[] state = Save(device);
        using var otherBackend = new RecordingBackend();
        var other = new NetDevice(otherBackend, Mac, 1500, offerChecksum: false);
        using var otherDriver = new MockDriver(other).Start();
        otherBackend.Deliver([9, 9]);
        Restore(other, state, 2);
        ulong first = otherDriver.Allocate(64);
        ulong second = otherDriver.Allocate(64);
        otherDriver.Add(0, In(first, 64));
        otherDriver.Add(0, In(second, 64));
        otherDriver.Device.Service();
        Assert.Equal(HeaderSize + 3u, otherDriver.TakeUsed(0)!.Value.Written);
        Assert.Equal(HeaderSize + 4u, otherDriver.TakeUsed(0)!.Value.Written);
        Assert.Equal([1, 2, 3], otherDriver.Fetch(first + HeaderSize, 3));
        Assert.Equal([4, 5, 6, 7], otherDriver.Fetch(second + HeaderSize, 4));
    }

    [Fact]
    public void A_state_without_waiting_frames_is_taken_and_one_with_wrong_lengths_is_not()
    {
        using var backend = new RecordingBackend();
        var device = new NetDevice(backend, Mac, 1500, offerChecksum: false);
        using var driver = new MockDriver(device).Start();
        byte[] old = [.. Mac, 1, 0];
        Assert.Null(Restore(device, old, 1));
        Assert.Null(Restore(device, [.. old, 5, 0, 0, 0, 1, 0, 0, 0, 7], 2));
        foreach (byte[] bad in (byte[][])[[4, 0, 0, 0, 0, 0, 0, 0], [5, 0, 0, 0, 2, 0, 0, 0, 7], [1, 0, 0, 0, 7],
            [6, 0, 0, 0, 1, 0, 0, 0, 7, 7], [5, 0, 0, 0, 255, 255, 255, 255, 7], [0, 0, 16, 1]])
        {
            Assert.NotNull(Restore(device, [.. old, .. bad], 2));
        }
    }

    private static byte[] Save(NetDevice device)
    {
        var bytes = new ArrayBufferWriter<byte>();
        device.Save(new StateWriter(bytes));
        return bytes.WrittenSpan.ToArray();
    }

    /// <summary>Null, or why the state was not taken.</summary>
    private static string? Restore(NetDevice device, byte[] state, ushort version)
    {
        var reader = new StateReader(state);
        if (device.Decode(ref reader, version) is not { } decoded)
        {
            return reader.Error;
        }

        device.Reset();
        device.Restore(decoded);
        return null;
    }
}
