using Colo.Vmm.Checkpoint;
using Colo.Vmm.Checkpoint.Primary;
using Colo.Vmm.Checkpoint.Secondary;

namespace Colo.Vmm.Tests.Checkpoint;

/// <summary>
/// One story (two checkpoints, pages sent ahead before the second, both guests writing) with one fault in it, for every
/// fault at every frame of every channel. Whatever happens, the secondary's RAM is either its own guest's or exactly a
/// committed checkpoint.
/// </summary>
public sealed class CheckpointFaultTests
{
    private const int Channels = 2;

    // Some faults make a peer silent (a frame held back, a length that promises more): then the owner loses patience.
    // When that happens does not change what is claimed here.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1.5);

    [Theory]
    [InlineData(Tampering.CutBefore)]
    [InlineData(Tampering.CutInside)]
    [InlineData(Tampering.CutAfter)]
    [InlineData(Tampering.FlipBit)]
    [InlineData(Tampering.Repeat)]
    [InlineData(Tampering.SwapWithNext)]
    [InlineData(Tampering.ReplayFirst)]
    [InlineData(Tampering.LieAboutEpoch)]
    [InlineData(Tampering.LieAboutOldEpoch)]
    [InlineData(Tampering.LieAboutOldTerm)]
    [InlineData(Tampering.LieAboutNewTerm)]
    [InlineData(Tampering.LieAboutLength)]
    [InlineData(Tampering.LieAboutType)]
    [InlineData(Tampering.LieInPayload)]
    internal void A_damaged_stream_never_touches_the_running_secondary(Tampering tampering)
    {
        var counts = CountFrames();
        for (var channel = 0; channel <= Channels; channel++)
        {
            // A frame that is held back for the next one must have a next one.
            var last = counts[channel] - (tampering == Tampering.SwapWithNext ? 1 : 0);
            for (var index = 1; index < last; index++)
            {
                for (var seed = 0; seed < Repetitions(tampering); seed++)
                {
                    Play(channel, index, tampering, seed);
                }
            }
        }
    }

    [Theory]
    [InlineData(Tampering.CutBefore)]
    [InlineData(Tampering.CutInside)]
    [InlineData(Tampering.CutAfter)]
    [InlineData(Tampering.FlipBit)]
    [InlineData(Tampering.Repeat)]
    [InlineData(Tampering.LieAboutEpoch)]
    [InlineData(Tampering.LieAboutOldTerm)]
    [InlineData(Tampering.LieAboutType)]
    internal void A_damaged_answer_is_a_result_for_the_primary(Tampering tampering)
    {
        // Answers of the story: ready, then reply, received and loaded of each checkpoint.
        for (var index = 1; index <= 7; index++)
        {
            for (var seed = 0; seed < Repetitions(tampering); seed++)
            {
                var i = index;
                var s = seed;
                using var pair = MakePair(
                    null, (c, inner) => c == 0 ? new TamperStream(inner, i, tampering, s) : inner);
                using var patience = new CancellationTokenSource(s_patience);
                var reports = Story(pair, patience.Token);
                Check(pair, reports, $"answer {index}, {tampering}, seed {seed}");
            }
        }
    }

    [Fact]
    public void A_stream_that_ends_at_any_byte_never_touches_the_running_secondary()
    {
        var random = new Random(20261121);
        var lengths = new TamperStream[Channels + 1];
        using (var clean = MakePair((c, inner) => lengths[c] = new TamperStream(inner, -1, Tampering.None, 0), null))
        {
            Story(clean, default);
        }

        for (var i = 0; i < 120; i++)
        {
            var channel = i % (Channels + 1);
            var cut = random.NextInt64(64, lengths[channel].ByteCount);
            using var pair = MakePair(
                (c, inner) => new TamperStream(inner, -1, Tampering.None, 0) { CutAtByte = c == channel ? cut : -1 }, null);
            Check(pair, Story(pair, default), $"channel {channel} ends at byte {cut}");
        }
    }

    [Fact]
    public void A_cancellation_at_any_frame_leaves_both_sides_whole()
    {
        var counts = CountFrames();
        for (var channel = 0; channel <= Channels; channel++)
        {
            for (var index = 1; index < counts[channel]; index++)
            {
                using var cancel = new CancellationTokenSource();
                var at = index;
                var on = channel;
                using var pair = MakePair(
                    (c, inner) => new TamperStream(inner, c == on ? at : -1, Tampering.None, 0, cancel.Cancel), null);
                var reports = Story(pair, cancel.Token);
                Check(pair, reports, $"cancelled at frame {index} of channel {channel}");
                if (pair.Sender.LinkFailure == LinkFailure.None && pair.Sender.PeerStagedMax > 0)
                {
                    pair.Secondary.Step(50);
                    Assert.Equal(CheckpointStatus.Loaded, pair.Run(9).Status);
                    Assert.Equal(0, pair.Mismatches);
                }
            }
        }
    }

    [Fact]
    public void A_committed_checkpoint_is_rolled_forward_though_the_primary_dies_at_the_commit()
    {
        using var pair = new CheckpointPair(pages: 256);
        pair.StartAsReplica();
        pair.Primary.Step(200);
        pair.Secondary.Step(200);
        pair.CommitDecision = _ =>
        {
            pair.PrimaryLink.Dispose();
            return true;
        };

        var report = pair.Run(1);
        pair.WaitUntilLost();

        Assert.Equal(CheckpointStatus.Unresolved, report.Status);
        Assert.Equal(1, pair.LoadedCount);
        Assert.Equal(0, pair.Mismatches);
        Assert.Equal(new CheckpointStamp(5, 1), pair.Receiver.Committed);
        Assert.False(pair.Secondary.IsPaused);
    }

    [Fact]
    public void A_device_state_that_the_machine_refuses_is_not_committed()
    {
        using var pair = new CheckpointPair(pages: 256);
        pair.StartAsReplica();
        pair.Primary.Step(100);
        pair.Secondary.CheckError = "unknown version 9";

        var report = pair.Run(1);

        Assert.Equal((CheckpointStatus.Aborted, AbortReason.VerificationFailed), (report.Status, report.Abort));
        Assert.True(pair.Secondary.IsUntouched());
        Assert.DoesNotContain("commit 1", pair.Log);
        pair.Secondary.CheckError = null;
        Assert.Equal(CheckpointStatus.Loaded, pair.Run(2).Status);
        Assert.Equal(0, pair.Mismatches);
    }

    [Fact]
    public void A_state_that_cannot_be_loaded_after_the_commit_leaves_a_paused_machine_that_is_no_replica()
    {
        using var pair = new CheckpointPair(pages: 256);
        pair.StartAsReplica();
        pair.Secondary.RestoreError = "broken";

        var report = pair.Run(1);
        pair.WaitUntilLost();

        Assert.Equal(CheckpointStatus.CommittedThenLost, report.Status);
        Assert.Equal(ReplicaState.Broken, pair.Receiver.Replica);
        Assert.True(pair.Secondary.IsPaused);
        Assert.Contains("load failed 1 broken", pair.Log);
    }

    [Fact]
    public void A_checkpoint_larger_than_the_staging_room_is_given_up_before_it_is_sent()
    {
        using var pair = new CheckpointPair(
            pages: 256, secondary: new SecondaryCheckpointOptions { StagedPagesMax = 20, WantCheckpointPages = 20 });
        pair.StartAsReplica();
        for (var page = 0; page < 21; page++)
        {
            pair.Primary.WriteAt(page * 4096, [1]);
        }

        var report = pair.Run(1);

        Assert.Equal((CheckpointStatus.Aborted, AbortReason.TooManyPages), (report.Status, report.Abort));
        Assert.Equal(0, report.Pages.Sent);
        Assert.False(pair.Secondary.IsPaused);
        Assert.True(pair.Secondary.IsUntouched());
    }

    [Fact]
    public void The_secondary_asks_once_for_a_checkpoint_when_its_guest_has_changed_too_much()
    {
        using var pair = new CheckpointPair(
            pages: 256, secondary: new SecondaryCheckpointOptions { WantCheckpointPages = 40 });
        pair.StartAsReplica();
        pair.Secondary.HotShare = 0;
        pair.Receiver.CheckBounds();
        Assert.Equal(0, pair.WantedCount);
        pair.Secondary.Step(400);

        pair.Receiver.CheckBounds();
        pair.Receiver.CheckBounds();
        Assert.Equal(CheckpointStatus.Loaded, pair.Run(1).Status);

        Assert.Equal(1, pair.WantedCount);
    }

    private static int Repetitions(Tampering tampering) => tampering is Tampering.FlipBit or Tampering.LieInPayload
        or Tampering.LieAboutType or Tampering.CutInside ? 3 : 1;

    private static int[] CountFrames()
    {
        var streams = new TamperStream[Channels + 1];
        using var pair = MakePair((c, inner) => streams[c] = new TamperStream(inner, -1, Tampering.None, 0), null);
        var reports = Story(pair, default);
        Assert.All(reports, report => Assert.Equal(CheckpointStatus.Loaded, report.Status));
        Check(pair, reports, "clean");
        return [.. streams.Select(s => s.WriteCount)];
    }

    private static void Play(int channel, int index, Tampering tampering, int seed)
    {
        using var patience = new CancellationTokenSource(s_patience);
        using var pair = MakePair(
            (c, inner) => new TamperStream(inner, c == channel ? index : -1, tampering, seed), null);
        Check(pair, Story(pair, patience.Token), $"channel {channel}, frame {index}, {tampering}, seed {seed}");
    }

    private static CheckpointPair MakePair(
        Func<int, Stream, Stream>? wrapPrimary, Func<int, Stream, Stream>? wrapSecondary) => new(
        pages: 256, channels: Channels, wrapPrimaryStream: wrapPrimary, wrapSecondaryStream: wrapSecondary,
        primary: new PrimaryCheckpointOptions { ChunkPages = 16 }, time: new ManualTime());

    private static List<CheckpointReport> Story(CheckpointPair pair, CancellationToken cancellation)
    {
        var reports = new List<CheckpointReport>();
        pair.Primary.Boot(100);
        pair.Secondary.Boot(100);
        pair.Primary.Ram.SwapDirty();
        pair.Secondary.Reseed(4);
        pair.Receiver.Start(isReplica: true);
        if (!pair.Sender.WaitUntilReady(cancellation))
        {
            return reports;
        }

        pair.Primary.Resume();
        pair.Secondary.Resume();
        pair.Primary.Step(60);
        pair.Secondary.Step(60);
        reports.Add(pair.Run(1, cancellation));
        pair.Primary.Step(40);
        pair.Secondary.Step(40);
        var precopy = new BackgroundPrecopy(pair.Sender, new PrecopyOptions { PagesPerStep = 16 });
        precopy.Step(new CheckpointStamp(5, 2), cancellation);
        pair.Primary.Step(10);
        precopy.Step(new CheckpointStamp(5, 2), cancellation);
        reports.Add(pair.Run(2, cancellation));
        return reports;
    }

    private static void Check(CheckpointPair pair, List<CheckpointReport> reports, string what)
    {
        if (pair.Sender.LinkFailure != LinkFailure.None)
        {
            pair.WaitUntilLost();
        }

        var committed = reports.Count(report => report.IsCommitted);
        var unresolved = reports.Count(report => report.Status == CheckpointStatus.Unresolved);
        Assert.True(pair.Mismatches == 0, $"{what}: a loaded state differs from the capture");
        Assert.True(
            pair.LoadedCount >= committed && pair.LoadedCount <= committed + unresolved,
            $"{what}: {pair.LoadedCount} loaded, {committed} committed, {unresolved} unresolved");
        Assert.True(pair.Secondary.IsUntouched(), $"{what}: the secondary's RAM was touched");
        Assert.False(pair.Secondary.IsPaused && pair.Log.Contains("paused 1"), $"{what}: the secondary was left paused");
    }
}
