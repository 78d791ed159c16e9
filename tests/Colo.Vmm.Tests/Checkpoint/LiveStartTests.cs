using Colo.Vmm.Checkpoint;
using Colo.Vmm.Checkpoint.Primary;
using Colo.Vmm.Checkpoint.Secondary;

namespace Colo.Vmm.Tests.Checkpoint;

public sealed class LiveStartTests
{
    [Theory]
    [InlineData(1, false)]
    [InlineData(3, true)]
    public void A_running_guest_becomes_protected(int channels, bool hashes)
    {
        using var pair = Unprotected(channels, hashes);
        pair.Primary.StartThread();
        var rounds = new List<LiveStartProgress>();

        var report = new LiveStart(pair.Sender, new LiveStartOptions { FinalPagesMax = 200 })
            .Run(new CheckpointStamp(5, 1), rounds.Add, default);

        Assert.True(report.IsProtected);
        Assert.Equal(report.Rounds, rounds.Count);
        Assert.Equal(2048, rounds[0].Pages.Sent + rounds[0].Pages.Equal);
        for (ulong epoch = 2; epoch < 10; epoch++)
        {
            pair.Secondary.Step(100);
            Assert.Equal(CheckpointStatus.Loaded, pair.Run(epoch).Status);
        }

        Assert.Equal(0, pair.Mismatches);
        Assert.Equal(ReplicaState.Replica, pair.Receiver.Replica);
    }

    [Fact]
    public void A_guest_that_outruns_the_link_is_throttled_reported_and_protected_all_the_same()
    {
        using var pair = Unprotected();
        var shares = new List<double>();
        var rounds = new List<LiveStartProgress>();
        var options = new LiveStartOptions { FinalPagesMax = 10, RoundsMax = 4, Throttle = shares.Add };
        pair.Primary.BeforeCollect = () =>
        {
            for (var page = 0; page < 1500; page++)
            {
                pair.Primary.Ram.MarkDirty(page);
            }
        };

        var report = new LiveStart(pair.Sender, options).Run(new CheckpointStamp(5, 1), rounds.Add, default);

        Assert.True(report.IsProtected);
        Assert.False(report.Converged);
        Assert.Equal(4, report.Rounds);
        Assert.Equal([0.2, 0.4, 0.6, 0.8, 0.0], shares.Select(share => Math.Round(share, 3)));
        Assert.Equal(0.8, rounds[^1].ThrottleShare, 3);
        Assert.Equal(0, pair.Mismatches);
    }

    [Fact]
    public void Pages_that_the_new_secondary_has_already_are_not_sent()
    {
        using var pair = Unprotected(hashes: true);
        pair.Primary.Boot(3000);
        pair.Secondary.Boot(2900);
        var rounds = new List<LiveStartProgress>();

        var report = new LiveStart(pair.Sender, new LiveStartOptions()).Run(new CheckpointStamp(5, 1), rounds.Add, default);

        Assert.True(report.IsProtected);
        Assert.InRange(rounds[0].Pages.Equal, 1900, 2047);
        Assert.Equal(0, pair.Mismatches);
    }

    [Fact]
    public void A_cancelled_start_can_be_repeated_on_the_same_link()
    {
        using var pair = Unprotected(hashes: true);
        pair.Primary.Boot(2000);
        using var cancel = new CancellationTokenSource();
        var start = new LiveStart(pair.Sender, new LiveStartOptions { FinalPagesMax = 0, RoundsMax = 3 });
        pair.Primary.StartThread();
        var first = start.Run(new CheckpointStamp(5, 1), _ => cancel.Cancel(), cancel.Token);
        Assert.False(first.IsProtected);

        var second = start.Run(new CheckpointStamp(5, 2), null, default);

        Assert.True(second.IsProtected);
        Assert.Equal(0, pair.Mismatches);
    }

    [Fact]
    public void A_replica_that_fell_out_can_start_over()
    {
        using var pair = new CheckpointPair();
        pair.StartAsReplica();
        pair.Primary.Step(100);
        pair.Secondary.Step(1000);
        Assert.Equal(CheckpointStatus.Loaded, pair.Run(1).Status);
        pair.Secondary.Step(100);

        var report = new LiveStart(pair.Sender, new LiveStartOptions()).Run(new CheckpointStamp(6, 2), null, default);

        Assert.True(report.IsProtected);
        Assert.Equal(0, pair.Mismatches);
        Assert.Equal(new CheckpointStamp(6, 2), pair.Receiver.Committed);
    }

    private static CheckpointPair Unprotected(int channels = 1, bool hashes = false)
    {
        var pair = new CheckpointPair(channels: channels, primary: new PrimaryCheckpointOptions { SkipEqualPages = hashes });
        pair.Receiver.Start(isReplica: false);
        Assert.True(pair.Sender.WaitUntilReady(CancellationToken.None));
        pair.Primary.Resume();
        return pair;
    }
}
