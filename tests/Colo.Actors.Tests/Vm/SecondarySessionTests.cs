namespace Colo.Actors.Tests.Vm;

public sealed class SecondarySessionTests
{
    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task A_session_that_ends_while_it_starts_leaves_the_network_to_the_next_owner()
    {
        await using var pair = new SessionPair(listens: false, spill: "/nowhere/staged");
        using var seen = new ManualResetEventSlim();
        Thread? starting = null;
        pair.Logged = line =>
        {
            if (line.Contains("spill file", StringComparison.Ordinal))
            {
                starting = Thread.CurrentThread; // between the receiver's making and its start
                pair.Secondary.Dispose();
                seen.Set();
            }
        };
        pair.Listen();
        Assert.True(seen.Wait(Hang));
        Assert.True(starting!.Join(Hang));
        Assert.False(pair.SecondaryNetwork.IsReplica);
    }
}
