using Colo.Vmm.Checkpoint;
using Colo.Vmm.Checkpoint.Primary;
using Colo.Vmm.Checkpoint.Secondary;

namespace Colo.Vmm.Tests.Checkpoint;

public sealed class BackgroundPrecopyTests
{
    private static readonly PrecopyOptions s_options = new() { PagesPerStep = 64, BytesPerSecond = 100_000_000 };

    [Fact]
    public void A_checkpoint_sends_only_what_was_written_after_it_was_sent_ahead()
    {
        var time = new ManualTime();
        using var pair = new CheckpointPair(time: time);
        pair.StartAsReplica();
        var precopy = new BackgroundPrecopy(pair.Sender, s_options);
        WritePages(pair, 0, 200);
        RunPrecopy(precopy, time, steps: 20);
        Assert.Equal(200, pair.Sender.StagedPages);
        WritePages(pair, 190, 20);

        var report = pair.Run(1);

        Assert.Equal(CheckpointStatus.Loaded, report.Status);
        Assert.Equal(20, report.DirtyPages);
        Assert.Equal(190, report.SentAheadPages);
        Assert.Equal(0, pair.Mismatches);
    }

    [Fact]
    public void Pages_written_in_the_last_interval_are_left_alone()
    {
        var time = new ManualTime();
        using var pair = new CheckpointPair(time: time);
        pair.StartAsReplica();
        var precopy = new BackgroundPrecopy(pair.Sender, s_options);
        for (var i = 0; i < 10; i++)
        {
            WritePages(pair, 5, 1);
            time.Advance(TimeSpan.FromMilliseconds(100));
            Assert.Equal(0, precopy.Step(new CheckpointStamp(5, 1), default).SentPages);
        }

        time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Equal(1, precopy.Step(new CheckpointStamp(5, 1), default).SentPages);
    }

    [Fact]
    public void With_nothing_to_send_the_next_step_is_the_next_collection()
    {
        var time = new ManualTime();
        using var pair = new CheckpointPair(time: time);
        pair.StartAsReplica();
        var precopy = new BackgroundPrecopy(pair.Sender, s_options);
        for (var i = 0; i < 3; i++)
        {
            var step = precopy.Step(new CheckpointStamp(5, 1), default);
            Assert.Equal(0, step.SentPages);
            Assert.Equal(s_options.CollectInterval, step.Delay);
            time.Advance(step.Delay);
        }
    }

    [Fact]
    public void The_rate_is_kept_over_time()
    {
        var time = new ManualTime();
        using var pair = new CheckpointPair(time: time);
        pair.StartAsReplica();
        var options = new PrecopyOptions { PagesPerStep = 16, BytesPerSecond = 1_000_000 };
        var precopy = new BackgroundPrecopy(pair.Sender, options);
        WritePages(pair, 0, 1500);
        precopy.Step(new CheckpointStamp(5, 1), default);
        var begin = pair.PrimaryLink.BytesWritten;
        for (var i = 0; i < 400; i++)
        {
            time.Advance(TimeSpan.FromMilliseconds(10));
            precopy.Step(new CheckpointStamp(5, 1), default);
        }

        // Four seconds, and the quarter of a second that may be saved up.
        Assert.InRange(pair.PrimaryLink.BytesWritten - begin, 3_800_000, 4_350_000);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void Guests_that_write_meanwhile_are_still_copied_exactly(int channels)
    {
        var time = new ManualTime();
        using var pair = new CheckpointPair(channels: channels, time: time);
        pair.StartAsReplica();
        pair.Primary.StartThread();
        pair.Secondary.StartThread();
        var precopy = new BackgroundPrecopy(pair.Sender, s_options);
        for (ulong epoch = 1; epoch <= 25; epoch++)
        {
            for (var i = 0; i < 8; i++)
            {
                time.Advance(TimeSpan.FromMilliseconds(60));
                precopy.Step(new CheckpointStamp(5, epoch), default);
            }

            var report = pair.Run(epoch);
            Assert.Equal(CheckpointStatus.Loaded, report.Status);
        }

        Assert.Equal(0, pair.Mismatches);
        Assert.True(precopy.SentPages > 0);
    }

    [Fact]
    public void After_an_abort_everything_sent_ahead_is_sent_again()
    {
        var time = new ManualTime();
        using var pair = new CheckpointPair(time: time);
        pair.StartAsReplica();
        var precopy = new BackgroundPrecopy(pair.Sender, s_options);
        for (ulong epoch = 1; epoch <= 20; epoch += 2)
        {
            pair.Primary.Step(300);
            pair.Secondary.Step(300);
            RunPrecopy(precopy, time, steps: 6, epoch);
            pair.CommitDecision = _ => false;
            var refused = pair.Run(epoch);
            Assert.Equal((CheckpointStatus.Aborted, AbortReason.CommitRefused), (refused.Status, refused.Abort));
            Assert.True(pair.Secondary.IsUntouched());
            pair.Secondary.Step(300);
            RunPrecopy(precopy, time, steps: 3, epoch + 1);
            pair.CommitDecision = _ => true;
            Assert.Equal(CheckpointStatus.Loaded, pair.Run(epoch + 1).Status);
        }

        Assert.Equal(0, pair.Mismatches);
        Assert.Equal(10, pair.LoadedCount);
    }

    [Fact]
    public void Full_staging_room_asks_for_a_checkpoint_and_sends_no_more()
    {
        var time = new ManualTime();
        using var pair = new CheckpointPair(
            time: time, secondary: new SecondaryCheckpointOptions { StagedPagesMax = 200, WantCheckpointPages = 200 });
        pair.StartAsReplica();
        var precopy = new BackgroundPrecopy(pair.Sender, s_options);
        WritePages(pair, 0, 190);

        RunPrecopy(precopy, time, steps: 30);

        Assert.Equal(100, pair.Sender.StagedPages);
        Assert.Equal(1, pair.WantedCount);
        Assert.Equal(CheckpointStatus.Loaded, pair.Run(1).Status);
        Assert.Equal(0, pair.Mismatches);
    }

    private static void WritePages(CheckpointPair pair, int first, int count)
    {
        for (var page = first; page < first + count; page++)
        {
            pair.Primary.WriteAt(page * 4096 + 16, BitConverter.GetBytes(Random.Shared.NextInt64()));
        }
    }

    private static void RunPrecopy(BackgroundPrecopy precopy, ManualTime time, int steps, ulong epoch = 1)
    {
        for (var i = 0; i < steps; i++)
        {
            precopy.Step(new CheckpointStamp(5, epoch), default);
            time.Advance(TimeSpan.FromMilliseconds(100));
        }
    }
}
