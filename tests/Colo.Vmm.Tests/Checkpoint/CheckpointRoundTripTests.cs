using Colo.Vmm.Checkpoint.Primary;
using Colo.Vmm.Checkpoint.Secondary;

namespace Colo.Vmm.Tests.Checkpoint;

public sealed class CheckpointRoundTripTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(16)]
    public void Secondary_is_byte_for_byte_the_primary_at_the_capture_over_many_epochs(int channels)
    {
        using var pair = new CheckpointPair(channels: channels);
        pair.StartAsReplica();
        for (ulong epoch = 1; epoch <= 30; epoch++)
        {
            pair.Primary.Step(400);
            pair.Secondary.Step(300);
            var report = pair.Run(epoch);
            Assert.Equal(CheckpointStatus.Loaded, report.Status);
        }

        Assert.Equal(0, pair.Mismatches);
        Assert.Equal(30, pair.LoadedCount);
        Assert.True(pair.Secondary.IsUntouched());
    }

    [Theory]
    [InlineData(1, 11)]
    [InlineData(4, 12)]
    public void Both_guests_write_all_the_time_while_checkpoints_are_sent(int channels, int seed)
    {
        using var pair = new CheckpointPair(channels: channels, seed: seed);
        pair.StartAsReplica();
        pair.Primary.StartThread();
        pair.Secondary.StartThread();
        var copied = 0;
        for (ulong epoch = 1; epoch <= 60; epoch++)
        {
            var report = pair.Run(epoch);
            Assert.Equal(CheckpointStatus.Loaded, report.Status);
            copied += report.CopiedPages;
        }

        Assert.Equal(0, pair.Mismatches);
        Assert.True(copied >= 0);
    }

    [Fact]
    public void Events_come_in_the_order_of_the_protocol()
    {
        using var pair = new CheckpointPair();
        pair.StartAsReplica();
        pair.Primary.Step(10);

        pair.Run(1);

        Assert.Equal(["paused 1", "captured 1", "commit 1"], pair.Log.Take(3));
        Assert.Equal(["committed 1", "loaded 1"], pair.Log.Skip(3).Order());
        Assert.False(pair.Primary.IsPaused);
        Assert.False(pair.Secondary.IsPaused);
        Assert.Equal(pair.Secondary.Clock, pair.Primary.Clock);
    }

    [Fact]
    public void Pages_that_only_the_secondary_wrote_come_back_though_nobody_sends_them()
    {
        using var pair = new CheckpointPair();
        pair.StartAsReplica();
        pair.Secondary.Step(500);
        Assert.True(pair.Receiver.ChangedPages > 100);

        var report = pair.Run(1);

        Assert.Equal(0, report.Pages.Sent);
        Assert.Equal(0, pair.Mismatches);
        Assert.Equal(0, pair.Receiver.ChangedPages);
    }

    [Fact]
    public void Without_deltas_and_with_compression_and_hashes_the_result_is_the_same()
    {
        PrimaryCheckpointOptions[] variants =
        [
            new() { DeltaCachePages = 0, ChunkPages = 1 },
            new() { DeltaCachePages = 8, ChunkPages = 256 },
            new() { Compress = true },
            new() { SkipEqualPages = true, DeltaCachePages = 0 },
            new() { SkipEqualPages = true, Compress = true, ChunkPages = 7 },
            new() { SavedPagesMax = 1 },
        ];
        foreach (var options in variants)
        {
            using var pair = new CheckpointPair(channels: 2, primary: options);
            pair.StartAsReplica();
            pair.Primary.StartThread();
            for (ulong epoch = 1; epoch <= 15; epoch++)
            {
                pair.Secondary.Step(100);
                Assert.Equal(CheckpointStatus.Loaded, pair.Run(epoch).Status);
            }

            Assert.Equal(0, pair.Mismatches);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(16)]
    [InlineData(400)]
    public void Pages_beyond_the_memory_bound_are_staged_in_a_file_that_has_no_name(int memoryPages)
    {
        var folder = Directory.CreateTempSubdirectory("colo-staged-");
        try
        {
            var options = new SecondaryCheckpointOptions
            {
                MemoryPagesMax = memoryPages, SpillPath = Path.Combine(folder.FullName, "staged"),
            };
            var mostSpilled = 0;
            using var pair = new CheckpointPair(channels: 2, secondary: options);
            pair.CommitDecision = _ =>
            {
                mostSpilled = Math.Max(mostSpilled, pair.Receiver.SpilledPages);
                return true;
            };
            Assert.Null(pair.Receiver.SpillProblem);
            Assert.Empty(folder.GetFiles());
            pair.StartAsReplica();
            pair.Primary.StartThread();
            for (ulong epoch = 1; epoch <= 20; epoch++)
            {
                pair.Secondary.Step(100);
                pair.Receiver.CheckBounds();
                Assert.Equal(CheckpointStatus.Loaded, pair.Run(epoch).Status);
                Assert.Equal(0, pair.Receiver.SpilledPages);
            }

            Assert.Equal(0, pair.Mismatches);
            Assert.True(memoryPages == 400 || mostSpilled > 0, "nothing went to the file");
        }
        finally
        {
            folder.Delete();
        }
    }

    [Fact]
    public void With_a_file_the_memory_beside_the_guests_is_bounded_though_both_sides_write_other_pages()
    {
        const int pages = 2048;
        var folder = Directory.CreateTempSubdirectory("colo-staged-");
        var options = new SecondaryCheckpointOptions { SpillPath = Path.Combine(folder.FullName, "staged") };
        using var pair = new CheckpointPair(pages, secondary: options);
        folder.Delete();
        pair.StartAsReplica(bootSteps: 0);
        for (ulong epoch = 1; epoch <= 3; epoch++)
        {
            for (var page = 0; page < pages / 4; page++)
            {
                pair.Primary.WriteAt(page * 2 * 4096, BitConverter.GetBytes(epoch + (ulong)page));
                pair.Secondary.WriteAt((page * 2 + 1) * 4096, BitConverter.GetBytes(epoch + (ulong)page));
            }

            Assert.Equal(CheckpointStatus.Loaded, pair.Run(epoch).Status);
        }

        Assert.Equal(0, pair.Mismatches);
        Assert.Equal(pages / 4 * 4096, pair.Receiver.ExtraMemoryBytesPeak);
    }

    [Fact]
    public void A_spill_file_that_can_not_be_made_leaves_the_pages_in_memory_and_says_so()
    {
        using var pair = new CheckpointPair(secondary: new SecondaryCheckpointOptions
        {
            MemoryPagesMax = 1, SpillPath = "/proc/no/such/folder/staged",
        });
        pair.StartAsReplica();
        pair.Primary.Step(200);

        Assert.Equal(CheckpointStatus.Loaded, pair.Run(1).Status);

        Assert.Contains("/proc/no/such/folder/staged", pair.Receiver.SpillProblem, StringComparison.Ordinal);
        Assert.Equal(0, pair.Mismatches);
    }

    [Fact]
    public void Hot_pages_travel_as_deltas_and_rewritten_equal_pages_not_at_all()
    {
        using var pair = new CheckpointPair(primary: new PrimaryCheckpointOptions { SkipEqualPages = true });
        pair.StartAsReplica(bootSteps: 0);
        CheckpointReport? last = null;
        for (ulong epoch = 1; epoch <= 5; epoch++)
        {
            for (var page = 0; page < 10; page++)
            {
                pair.Primary.WriteAt(page * 4096 + 8, BitConverter.GetBytes(epoch));
                pair.Primary.WriteAt((page + 100) * 4096, [1, 2, 3]);
            }

            last = pair.Run(epoch);
        }

        Assert.Equal(new PageCounts(0, 0, 10, 10), last!.Pages);
        Assert.InRange(last.BytesSent, 300, 1500);
        Assert.Equal(0, pair.Mismatches);
    }

    [Fact]
    public void Without_an_image_all_memory_is_sent_and_needs_no_staging_room()
    {
        using var pair = new CheckpointPair(secondary: new SecondaryCheckpointOptions { StagedPagesMax = 1 });
        pair.Primary.Boot(5000);
        pair.Secondary.Boot(77);
        pair.Receiver.Start(isReplica: false);
        Assert.True(pair.Sender.WaitUntilReady(CancellationToken.None));

        var report = pair.Run(1);

        Assert.Equal(CheckpointStatus.Loaded, report.Status);
        Assert.Equal(2048, report.DirtyPages);
        Assert.Equal(0, pair.Mismatches);
        Assert.Equal(ReplicaState.Replica, pair.Receiver.Replica);
    }

    [Fact]
    public void Large_device_state_arrives_in_pieces()
    {
        using var pair = new CheckpointPair();
        pair.StartAsReplica();
        pair.Primary.DeviceBytes = 1_000_003;
        pair.Primary.Step(3);

        var report = pair.Run(1);

        Assert.Equal(CheckpointStatus.Loaded, report.Status);
        Assert.Equal(1_000_011, report.DeviceBytes);
        Assert.Equal(pair.Primary.Clock, pair.Secondary.Clock);
    }
}
