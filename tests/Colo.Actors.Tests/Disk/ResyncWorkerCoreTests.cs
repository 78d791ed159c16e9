using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Tests.Disk;

public sealed class ResyncWorkerCoreTests
{
    private static readonly HostIdentity Joiner = new(new HostId("b"), new Incarnation(1));

    private readonly ResyncWorkerCore core = new(new ResyncOptions { StallTimeout = TimeSpan.FromSeconds(30) });

    [Fact]
    public void A_copy_of_memory_may_take_any_time_as_long_as_something_moves()
    {
        Decide(new StartResync(Joiner, new Term(1), default, Term.Zero, DiskSizeBytes: 0));
        TimerFired armed = Armed(Decide(new MemoryCopyProgress(1)));
        TimerFired rearmed = Armed(Decide(new MemoryCopyProgress(2)));
        Assert.Empty(Decide(armed));
        TimerFired slowed = Armed(Decide(new MemoryRoundOutrun(80, 1, 10, 10)));
        Assert.Empty(Decide(rearmed));
        Assert.Equal(ResyncState.CopyingMemory, core.State);

        Assert.Contains(
            new Effect.Tell(CoreName.Failover, new ResyncFailed(Joiner, "no progress")), Decide(slowed));
        Assert.Equal(ResyncState.Idle, core.State);
    }

    private static TimerFired Armed(EffectList effects)
    {
        Effect.StartTimer timer = effects.OfType<Effect.StartTimer>().Single();
        Assert.Equal((TimerName.ResyncStall, TimeSpan.FromSeconds(30)), (timer.Name, timer.After));
        return new TimerFired(timer.Name, timer.Generation);
    }

    private EffectList Decide(Message message)
    {
        var effects = new EffectList();
        core.Decide(Instant.Zero, message, effects);
        return effects;
    }
}
