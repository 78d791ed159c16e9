using Colo.Vmm.Block;

namespace Colo.Vmm.Tests.Block;

public sealed class DirtyBitmapTests
{
    private const long Size = 600L * 65536;

    [Fact]
    public void A_new_file_is_all_dirty()
    {
        using var bitmap = DirtyBitmap.Open(new LossyFile(1), Size);
        Assert.Equal(Size, bitmap.DirtyBytes);
        Assert.Equal(600, bitmap.BitCount);
    }

    [Fact]
    public void Marks_are_found_again_after_a_restart_and_nothing_else()
    {
        var file = new LossyFile(1);
        var bitmap = Clean(file);
        Assert.Equal(BlockStatus.Ok, bitmap.Mark(65536 + 512, 512));
        Assert.Equal(BlockStatus.Ok, bitmap.Mark((10 * 65536) - 512, 1024));
        file.Crash();
        var again = DirtyBitmap.Open(file, Size, 0);
        Assert.Equal(3 * 65536, again.DirtyBytes);
        Assert.Equal(1, again.NextDirty(0));
        Assert.Equal(9, again.NextDirty(2));
        Assert.Equal(10, again.NextDirty(10));
        Assert.Equal(-1, again.NextDirty(11));
    }

    [Fact]
    public void A_file_of_a_running_pair_names_what_was_under_way_and_with_whom()
    {
        var file = new LossyFile(1);
        var bitmap = Clean(file);
        Assert.Equal(BlockStatus.Ok, bitmap.Adopt(new DiskSession(7, 2)));
        Assert.Equal(BlockStatus.Ok, bitmap.EndRecording());
        Assert.Equal(BlockStatus.Ok, bitmap.Pin(5 * 65536, 512));
        file.Crash();
        var again = DirtyBitmap.Open(file, Size, 0);
        Assert.Equal(new DiskSession(7, 2), again.Session);
        Assert.Equal(5, again.NextDirty(0));
        Assert.Equal(-1, again.NextDirty(6));
    }

    [Fact]
    public void A_follower_names_nothing_until_it_takes_over()
    {
        var file = new LossyFile(1);
        var bitmap = DirtyBitmap.Open(file, Size, 0);
        Assert.Equal(BlockStatus.Ok, bitmap.Follow(new DiskSession(7, 3)));
        file.Crash();
        bitmap = DirtyBitmap.Open(file, Size, 0);
        Assert.True(bitmap.IsFollowing);
        Assert.Equal(0, bitmap.DirtyBytes);
        Assert.Equal(BlockStatus.Ok, bitmap.Mark(65536, 512));
        Assert.Equal(BlockStatus.Ok, bitmap.BeginRecording());
        Assert.Equal(BlockStatus.Ok, bitmap.Mark(9 * 65536, 512));
        file.Crash();
        var again = DirtyBitmap.Open(file, Size, 0);
        Assert.Equal(new DiskSession(7, 3), again.Session);
        Assert.Equal(2 * 65536, again.DirtyBytes);
    }

    [Fact]
    public void A_disk_that_is_in_step_with_nobody_is_all_dirty()
    {
        var file = new LossyFile(1);
        Assert.Equal(BlockStatus.Ok, Clean(file).Adopt(new DiskSession(7, 1)));
        Assert.Equal(BlockStatus.Ok, DirtyBitmap.Open(file, Size, 0).Forget());
        var again = DirtyBitmap.Open(file, Size, 0);
        Assert.False(again.Session.IsKnown);
        Assert.Equal(Size, again.DirtyBytes);
    }

    [Fact]
    public void Few_pins_stay_and_of_many_those_that_are_under_way()
    {
        const long many = 4000L * 65536;
        var file = new LossyFile(1);
        var bitmap = DirtyBitmap.Open(file, many, 0);
        Assert.Equal(BlockStatus.Ok, bitmap.Follow(new DiskSession(1, 1)));
        Assert.Equal(BlockStatus.Ok, bitmap.EndRecording());
        Assert.Equal(BlockStatus.Ok, bitmap.Pin(0, 100 * 65536));
        bitmap.Unpin([]);
        Assert.Equal(BlockStatus.Ok, bitmap.Persist());
        Assert.Equal(100 * 65536, DirtyBitmap.Open(file, many, 0).DirtyBytes);

        Assert.Equal(BlockStatus.Ok, bitmap.Pin(0, 2000 * 65536));
        bitmap.Unpin([0b1000]);
        Assert.Equal(BlockStatus.Ok, bitmap.Persist());
        file.Crash();
        var again = DirtyBitmap.Open(file, many, 0);
        Assert.Equal(65536, again.DirtyBytes);
        Assert.Equal(3, again.NextDirty(0));
    }

    [Fact]
    public void A_file_of_another_size_or_with_a_damaged_page_is_all_dirty()
    {
        var file = new LossyFile(1);
        Clean(file);
        Assert.Equal(0, DirtyBitmap.Open(file, Size, 0).DirtyBytes);
        Assert.Equal(Size + 65536, DirtyBitmap.Open(file, Size + 65536, 0).DirtyBytes);
        Assert.Equal(BlockStatus.Ok, file.Write(4096 + 100, [1]));
        Assert.Equal(Size, DirtyBitmap.Open(file, Size, 0).DirtyBytes);
    }

    [Fact]
    public void A_pinned_part_is_dirty_only_after_a_restart()
    {
        var file = new LossyFile(1);
        var bitmap = Clean(file);
        Assert.Equal(BlockStatus.Ok, bitmap.Pin(65536, 512));
        Assert.False(bitmap.IsDirty(1));
        file.Crash();
        Assert.True(DirtyBitmap.Open(file, Size, 0).IsDirty(1));
    }

    [Fact]
    public void A_mark_that_is_durable_already_waits_for_nothing()
    {
        var file = new LossyFile(1);
        var bitmap = Clean(file, aheadBytes: 1 << 20);
        Assert.Equal(BlockStatus.Ok, bitmap.Mark(0, 512));
        var operations = file.Power.Operations;
        Assert.Equal(BlockStatus.Ok, bitmap.Mark(0, 16 * 65536));
        Assert.Equal(operations, file.Power.Operations);
        bitmap.Clear(3);
        Assert.Equal(BlockStatus.Ok, bitmap.Mark(3 * 65536, 512));
        Assert.Equal(operations, file.Power.Operations);
    }

    [Fact]
    public void A_failing_file_fails_the_mark()
    {
        var file = new LossyFile(1);
        var bitmap = Clean(file);
        file.Power.FailFrom = 0;
        Assert.NotEqual(BlockStatus.Ok, bitmap.Mark(0, 512));
    }

    [Fact]
    public void After_a_power_cut_at_any_moment_nothing_that_differs_is_believed_equal()
    {
        const int size = 40 * 65536;
        for (var seed = 1; seed <= 300; seed++)
        {
            var random = new Random(seed);
            var power = new PowerSupply();
            var peer = new byte[size];
            var disk = new LossyFile(seed, peer, power);
            var file = new LossyFile(seed + 1000, null, power);
            var bitmap = DirtyBitmap.Open(file, size, random.Next(3) * 65536);
            for (var bit = 0; bit < bitmap.BitCount; bit++)
            {
                bitmap.Clear(bit);
            }

            Assert.Equal(BlockStatus.Ok, bitmap.BeginRecording());
            power.FailFrom = power.Operations + random.Next(120);
            for (var step = 0; step < 60; step++)
            {
                Step(random, bitmap, disk, peer);
            }

            disk.Crash();
            file.Crash();
            var again = DirtyBitmap.Open(file, size, 0);
            var content = disk.Snapshot();
            for (var at = 0; at < size; at += 512)
            {
                if (!content.AsSpan(at, 512).SequenceEqual(peer.AsSpan(at, 512)))
                {
                    Assert.True(again.IsDirty(at / 65536), $"seed {seed}: sector {at / 512} differs and is believed equal");
                }
            }
        }
    }

    private static void Step(Random random, DirtyBitmap bitmap, LossyFile disk, byte[] peer)
    {
        switch (random.Next(6))
        {
            case 0:
                // A resync of one part: durable here first, or the peer would be ahead of what this disk remembers.
                var bit = bitmap.NextDirty(random.Next(bitmap.BitCount));
                if (bit >= 0 && disk.Flush() == BlockStatus.Ok)
                {
                    Assert.Equal(BlockStatus.Ok, disk.Read(bit * 65536, peer.AsSpan(bit * 65536, 65536)));
                    bitmap.Clear(bit);
                }

                break;
            case 1:
                _ = bitmap.Persist();
                break;
            case 2:
                _ = disk.Flush();
                break;
            default:
                var offset = random.Next(40 * 128 - 20) * 512;
                var data = new byte[random.Next(1, 20) * 512];
                random.NextBytes(data);
                if (bitmap.Mark(offset, data.Length) == BlockStatus.Ok)
                {
                    _ = disk.Write(offset, data);
                }

                break;
        }
    }

    private static DirtyBitmap Clean(LossyFile file, int aheadBytes = 0)
    {
        var bitmap = DirtyBitmap.Open(file, Size, aheadBytes);
        for (var bit = 0; bit < bitmap.BitCount; bit++)
        {
            bitmap.Clear(bit);
        }

        Assert.Equal(BlockStatus.Ok, bitmap.BeginRecording());
        return bitmap;
    }

    /// <summary>The first page was written before the second one failed, and more was marked since.</summary>
    [Fact]
    public void A_page_that_a_failed_write_left_without_its_flush_is_not_taken_for_durable_as_it_is_later()
    {
        const long Large = 3L << 30, SecondPage = (long)DirtyBitmap.BitsPerPage * DirtyBitmap.Granularity;
        var kept = new LossyFile(41);
        var file = new HookedFile(kept);
        var bitmap = DirtyBitmap.Open(file, Large, aheadBytes: 0);
        for (var bit = 0; bit < bitmap.BitCount; bit++)
        {
            bitmap.Clear(bit);
        }

        Assert.Equal(BlockStatus.Ok, bitmap.BeginRecording());
        file.Refuses = offset => offset == 2 * DirtyBitmap.PageSize;
        Assert.Equal(BlockStatus.IoError, bitmap.BeginRecording());
        file.Refuses = null;
        bitmap.MarkAll();
        Assert.Equal(BlockStatus.Ok, bitmap.Mark(SecondPage, 512));
        Assert.Equal(BlockStatus.Ok, bitmap.Mark(0, 512));
        var again = DirtyBitmap.Open(kept, Large, aheadBytes: 0);
        Assert.True(again.IsDirty(DirtyBitmap.BitsPerPage));
        Assert.True(again.IsDirty(0));
    }
}
