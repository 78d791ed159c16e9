using Colo.Vmm.Block;

namespace Colo.Vmm.Tests.Block;

/// <summary>The secondary's cases of QEMU's replication test with exact comparison, and the edges of the
/// buffer.</summary>
public sealed class DiskBufferTests
{
    private const int Size = 64 * 65536;
    private const int Half = Size / 2;

    [Fact]
    public void Before_start_reads_and_writes_fail()
    {
        using var buffer = Create(out _, out _);
        Assert.Equal(BlockStatus.IoError, buffer.Read(0, new byte[512]));
        Assert.Equal(BlockStatus.IoError, buffer.Write(0, new byte[512]));
        Assert.Equal(BlockStatus.IoError, buffer.PrimaryWrite(1, 0, new byte[512]));
        Assert.Equal(BlockStatus.IoError, buffer.Flush());
        Assert.Equal(DiskBufferError.NotRunning, buffer.GetError());
        Assert.Equal(BlockStatus.NotSupported, buffer.Stop(failover: true));
        Assert.Equal(BlockStatus.NotSupported, buffer.Checkpoint(1));
    }

    [Fact]
    public void After_start_there_is_no_error() 
    {
        using var buffer = Started(out _, out _);
        Assert.Equal(DiskBufferError.None, buffer.GetError());
    }

    [Fact]
    public void The_guest_sees_the_disk_of_its_checkpoint_and_its_own_writes()
    {
        using var buffer = Started(out _, out _);
        AssertGuestReads(buffer, 0, Size, 0x11);
        Fill(buffer, 0x22, 0x33);
        AssertGuestReads(buffer, Half, Half, 0x11);
        AssertGuestReads(buffer, 0, Half, 0x33);
        Assert.Equal(BlockStatus.Ok, buffer.Stop(failover: true));
    }

    [Fact]
    public void Stop_with_failover_keeps_the_guests_writes_and_undoes_the_primarys()
    {
        using var buffer = Started(out var disk, out _);
        Fill(buffer, 0x22, 0x33);
        Assert.Equal(BlockStatus.Ok, buffer.Stop(failover: true));
        AssertGuestReads(buffer, 0, Half, 0x33);
        AssertGuestReads(buffer, Half, Half, 0x11);
        AssertDisk(disk, 0x33, 0x11);
    }

    [Fact]
    public void After_a_takeover_start_checkpoint_and_stop_are_ignored()
    {
        using var buffer = Started(out var disk, out _);
        Fill(buffer, 0x22, 0x33);
        Assert.Equal(BlockStatus.Ok, buffer.Stop(failover: true));
        Assert.Equal(BlockStatus.Ok, buffer.Start(2, 9));
        Assert.Equal(BlockStatus.Ok, buffer.Checkpoint(10));
        Assert.Equal(BlockStatus.Ok, buffer.Stop(failover: true));
        AssertDisk(disk, 0x33, 0x11);
        Assert.Equal(DiskBufferError.None, buffer.GetError());
    }

    [Fact]
    public void After_a_checkpoint_the_guest_sees_the_primarys_writes()
    {
        using var buffer = Started(out _, out _);
        Assert.Equal(BlockStatus.Ok, buffer.PrimaryWrite(1, Half, Filled(Half, 0x22)));
        AssertGuestReads(buffer, 0, Size, 0x11);
        Assert.Equal(BlockStatus.Ok, buffer.Barrier(2));
        Assert.Equal(BlockStatus.Ok, buffer.Checkpoint(2));
        AssertGuestReads(buffer, Half, Half, 0x22);
        AssertGuestReads(buffer, 0, Half, 0x11);
        Assert.Equal(0, buffer.UsedBytes);
    }

    [Fact]
    public void Stop_without_failover_drops_the_guests_writes_and_keeps_the_primarys()
    {
        using var buffer = Started(out var disk, out var file);
        Fill(buffer, 0x22, 0x33);
        Assert.Equal(BlockStatus.Ok, buffer.Stop(failover: false));
        AssertDisk(disk, 0x11, 0x22);
        AssertGuestReads(buffer, Half, Half, 0x22);
        Assert.Equal(DiskBufferState.Stopped, DiskBufferRecovery.Inspect(file));
        Assert.Equal(BlockStatus.IoError, buffer.PrimaryWrite(1, 0, new byte[512]));
    }

    [Fact]
    public void A_write_after_the_capture_is_undone_only_by_a_takeover_from_that_image()
    {
        using var buffer = Started(out var disk, out _);
        Assert.Equal(BlockStatus.Ok, buffer.PrimaryWrite(1, 0, Filled(4096, 0x22)));
        Assert.Equal(BlockStatus.Ok, buffer.Barrier(2));
        Assert.Equal(BlockStatus.Ok, buffer.PrimaryWrite(2, 0, Filled(8192, 0x44)));
        Assert.Equal(BlockStatus.Ok, buffer.Failover(2));
        Assert.Equal(BlockStatus.Ok, buffer.Merge());
        var content = disk.Snapshot();
        Assert.Equal(0x22, content[0]);
        Assert.Equal(0x22, content[4095]);
        Assert.Equal(0x11, content[4096]);
    }

    [Fact]
    public void The_primary_may_write_only_in_the_epoch_of_its_last_barrier()
    {
        using var buffer = Started(out _, out _);
        Assert.Equal(BlockStatus.Ok, buffer.Barrier(2));
        Assert.Equal(BlockStatus.NotSupported, buffer.PrimaryWrite(1, 0, new byte[512]));
        Assert.Equal(DiskBufferError.ProtocolViolation, buffer.GetError());
        Assert.Equal(BlockStatus.NotSupported, buffer.Barrier(2));
        Assert.Equal(BlockStatus.NotSupported, buffer.PrimaryWriteZeroes(3, 0, 512, mayUnmap: true));
        AssertGuestReads(buffer, 0, 512, 0x11);
    }

    [Fact]
    public void At_its_bound_the_buffer_first_asks_for_a_checkpoint_and_then_refuses()
    {
        var asked = 0;
        var options = new DiskBufferOptions
        {
            MemoryBytes = 65536, CapacityBytes = 16 * 65536, PressurePercent = 50, PressureReached = () => asked++,
        };
        using var buffer = Create(out _, out _, options);
        Assert.Equal(BlockStatus.Ok, buffer.Start(1, 1));
        Assert.Equal(BlockStatus.Ok, buffer.PrimaryWrite(1, 0, Filled(7 * 65536, 0x22)));
        Assert.Equal(0, asked);
        Assert.Equal(BlockStatus.Ok, buffer.Write(30 * 65536, Filled(65536, 0x33)));
        Assert.Equal(1, asked);
        Assert.Equal(BlockStatus.Ok, buffer.PrimaryWrite(1, 7 * 65536, Filled(8 * 65536, 0x22)));
        Assert.Equal(1, asked);
        Assert.Equal(options.CapacityBytes, buffer.UsedBytes);
        Assert.Equal(BlockStatus.NoSpace, buffer.PrimaryWrite(1, 40 * 65536, Filled(512, 0x22)));
        Assert.Equal(DiskBufferError.BufferFull, buffer.GetError());
        AssertGuestReads(buffer, 0, 16 * 65536, 0x11);
        Assert.Equal(BlockStatus.Ok, buffer.Barrier(2));
        Assert.Equal(BlockStatus.Ok, buffer.Checkpoint(2));
        Assert.Equal(0, buffer.UsedBytes);
    }

    [Fact]
    public void A_failing_merge_leaves_the_guest_with_the_right_content_and_can_be_tried_again()
    {
        var disk = new LossyFile(1, Filled(Size, 0x11));
        using var buffer = new DiskBuffer(disk, new LossyFile(2), new DiskBufferOptions());
        Assert.Equal(BlockStatus.Ok, buffer.Start(1, 1));
        Fill(buffer, 0x22, 0x33);
        Assert.Equal(BlockStatus.Ok, buffer.Failover(1));
        disk.Power.FailFrom = disk.Power.Operations + 5;
        Assert.Equal(BlockStatus.IoError, buffer.Merge());
        Assert.Equal(DiskBufferStage.FailoverFailed, buffer.Stage);
        Assert.Equal(DiskBufferError.MergeFailed, buffer.GetError());
        AssertGuestReads(buffer, 0, Half, 0x33);
        AssertGuestReads(buffer, Half, Half, 0x11);
        Assert.Equal(BlockStatus.Ok, buffer.Write(Half, Filled(4096, 0x55)));
        AssertGuestReads(buffer, Half, 4096, 0x55);
        disk.Power.FailFrom = int.MaxValue;
        Assert.Equal(BlockStatus.Ok, buffer.Merge());
        Assert.Equal(DiskBufferStage.Done, buffer.Stage);
        AssertGuestReads(buffer, Half, 4096, 0x55);
        Assert.Equal(0x11, disk.Snapshot()[Half + 4096]);
    }

    [Fact]
    public void Sectors_beyond_the_memory_bound_come_back_from_the_buffer_file()
    {
        var options = new DiskBufferOptions { MemoryBytes = 0, CapacityBytes = 2L * Size };
        using var buffer = Create(out var disk, out var file, options);
        Assert.Equal(BlockStatus.Ok, buffer.Start(1, 1));
        Fill(buffer, 0x22, 0x33);
        Assert.True(file.Length >= Size);
        AssertGuestReads(buffer, 0, Half, 0x33);
        AssertGuestReads(buffer, Half, Half, 0x11);
        Assert.Equal(BlockStatus.Ok, buffer.Stop(failover: true));
        AssertDisk(disk, 0x33, 0x11);
    }

    [Theory]
    [InlineData(256L << 20)]
    [InlineData(1L << 20)]
    [InlineData(0)]
    public void Writes_of_many_clusters_at_once_keep_every_old_sector(long memoryBytes)
    {
        var random = new Random(5);
        var content = new byte[Size];
        random.NextBytes(content);
        content.AsSpan(Half / 2, 300_000).Clear();
        var disk = new LossyFile(1, content);
        var options = new DiskBufferOptions { MemoryBytes = memoryBytes };
        using var buffer = new DiskBuffer(disk, new LossyFile(2), options);
        Assert.Equal(BlockStatus.Ok, buffer.Start(1, 1));
        var seen = new byte[Size];
        for (var round = 0; round < 60; round++)
        {
            var offset = random.Next(Size / 512) / (round % 2 == 0 ? 128 : 1) * (round % 2 == 0 ? 65536 : 512);
            var data = new byte[Math.Min(Size - offset, 512 * random.Next(1, 4096))];
            random.NextBytes(data);
            Assert.Equal(BlockStatus.Ok, buffer.PrimaryWrite(1, offset, data));
            Assert.Equal(BlockStatus.Ok, buffer.Read(0, seen));
            Assert.True(seen.AsSpan().SequenceEqual(content), $"round {round}: the guest sees a write of the primary");
        }

        Assert.Equal(BlockStatus.Ok, buffer.Stop(failover: true));
        Assert.True(disk.Snapshot().AsSpan().SequenceEqual(content));
    }

    [Fact]
    public void A_damaged_journal_is_refused_and_changes_nothing()
    {
        var disk = new LossyFile(1, Filled(Size, 0x11));
        var file = new LossyFile(2);
        using var buffer = new DiskBuffer(disk, file, new DiskBufferOptions { CapacityBytes = 2L * Size });
        Assert.Equal(BlockStatus.Ok, buffer.Start(1, 1));
        Fill(buffer, 0x22, 0x33);
        Assert.Equal(BlockStatus.Ok, buffer.Failover(1));
        Assert.Equal(BlockStatus.Ok, buffer.MergeStep(1, out _));
        Assert.Equal(DiskBufferState.Merging, DiskBufferRecovery.Inspect(file));
        var before = disk.Snapshot();
        Assert.Equal(BlockStatus.Ok, file.Write(64 * 1024 + 5000, [1]));
        Assert.Equal(BlockStatus.IoError, DiskBufferRecovery.CompleteMerge(disk, file));
        Assert.Equal(before, disk.Snapshot());
    }

    [Fact]
    public void Originals_sent_by_the_primary_of_a_shared_disk_are_what_the_guest_reads()
    {
        var disk = new LossyFile(1, Filled(Size, 0x11));
        using var buffer = new DiskBuffer(disk, new LossyFile(2), new DiskBufferOptions());
        Assert.Equal(BlockStatus.Ok, buffer.Start(1, 1));
        Assert.Equal(BlockStatus.Ok, buffer.Write(0, Filled(512, 0x33)));
        Assert.Equal(BlockStatus.Ok, buffer.KeepOriginal(1, 0, Filled(8192, 0x11)));
        Assert.Equal(BlockStatus.Ok, disk.Write(0, Filled(8192, 0x22)));
        AssertGuestReads(buffer, 0, 512, 0x33);
        AssertGuestReads(buffer, 512, 7680, 0x11);
        Assert.Equal(BlockStatus.Ok, buffer.Stop(failover: true));
        Assert.Equal(0x33, disk.Snapshot()[511]);
        Assert.Equal(0x11, disk.Snapshot()[512]);
    }

    [Fact]
    public void Steady_state_writes_allocate_nothing()
    {
        using var buffer = Started(out _, out _);
        var data = Filled(4096, 0x22);
        Round(0);
        Round(1);
        Allocations.None(() => Round(2));

        void Round(int shift)
        {
            for (var i = 0; i < 512; i++)
            {
                _ = buffer.Write((i * 8192) + (shift * 512), data);
                _ = buffer.Read(i * 4096, data);
            }
        }
    }

    private static DiskBuffer Create(out LossyFile disk, out LossyFile file, DiskBufferOptions? options = null)
    {
        disk = new LossyFile(1, Filled(Size, 0x11));
        file = new LossyFile(2);
        return new DiskBuffer(disk, file, options ?? new DiskBufferOptions());
    }

    private static DiskBuffer Started(out LossyFile disk, out LossyFile file)
    {
        var buffer = Create(out disk, out file);
        Assert.Equal(BlockStatus.Ok, buffer.Start(1, 1));
        return buffer;
    }

    /// <summary>QEMU's test: the primary writes the upper half, the secondary's guest the lower.</summary>
    private static void Fill(DiskBuffer buffer, byte primary, byte guest)
    {
        Assert.Equal(BlockStatus.Ok, buffer.PrimaryWrite(1, Half, Filled(Half, primary)));
        Assert.Equal(BlockStatus.Ok, buffer.Write(0, Filled(Half, guest)));
    }

    private static byte[] Filled(int length, byte value)
    {
        var data = new byte[length];
        data.AsSpan().Fill(value);
        return data;
    }

    private static void AssertGuestReads(DiskBuffer buffer, int offset, int length, byte value)
    {
        var data = new byte[length];
        Assert.Equal(BlockStatus.Ok, buffer.Read(offset, data));
        Assert.Equal(-1, data.AsSpan().IndexOfAnyExcept(value));
    }

    private static void AssertDisk(LossyFile disk, byte lower, byte upper)
    {
        var content = disk.Snapshot();
        Assert.Equal(-1, content.AsSpan(0, Half).IndexOfAnyExcept(lower));
        Assert.Equal(-1, content.AsSpan(Half).IndexOfAnyExcept(upper));
    }
}
