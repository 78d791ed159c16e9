using Colo.Host.Cli;

namespace Colo.Host.Tests.Cli;

/// <summary>The client of a drill.</summary>
public sealed class DrillLoadTests
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Answers_and_the_longest_silence_are_counted()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        using DrillLoad load = DrillLoad.Parse(node.Url + "/vms");
        Assert.True(await load.TryStartAsync(CancellationToken.None));
        Assert.True(SpinWait.SpinUntil(() => load.Answers >= 3, Hang));
        await load.StopAsync();
        Assert.True(load.GapMs > 0);
    }

    [Fact]
    public async Task Who_does_not_answer_at_the_start_is_no_load()
    {
        using DrillLoad load = DrillLoad.Parse("http://127.0.0.1:1/");
        Assert.False(await load.TryStartAsync(CancellationToken.None));
    }

    [Fact]
    public async Task A_lost_echo_is_not_waited_for()
    {
        int asked = 0;
        using var load = new DrillLoad(
            async cancellation =>
            {
                if (Interlocked.Increment(ref asked) == 3)
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, cancellation);
                }

                return true;
            },
            waits: false);
        Assert.True(await load.TryStartAsync(CancellationToken.None));
        Assert.True(SpinWait.SpinUntil(() => load.Answers >= 5, Hang));
        await load.StopAsync();
    }
}
