using System.Buffers;
using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;
using Colo.Vmm.Machine;

namespace Colo.Actors.Tests.Vm;

public sealed class PrimarySessionTests
{
    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    private static readonly HostIdentity Joiner = new(new HostId("node-b"), new Incarnation(1));

    [Fact]
    public async Task A_guest_that_keeps_more_pages_hot_than_converge_is_protected_by_its_joining_checkpoint()
    {
        var time = new HotTime(6000);
        await using var pair = new SessionPair(time);
        time.Touch = page => pair.PrimaryGuest.Ram.MarkDirty(page);
        var resync = new ResyncWorkerCore(new ResyncOptions());
        EffectList effects = Decide(resync, new StartResync(Joiner, new Term(1), default, Term.Zero, DiskSizeBytes: 0));
        while (effects.Any(effect => effect is Effect.CopyMemoryRound))
        {
            pair.Primary.CopyMemory();
            MemoryRoundDone done = pair.Wait<MemoryRoundDone>();
            Assert.Equal(6000, done.DirtyPages);
            effects = Decide(resync, done);
        }

        ResyncConverged converged = effects.OfType<Effect.Tell>()
            .Select(tell => tell.Message).OfType<ResyncConverged>().Single();
        Assert.Equal("memory: 6000 pages left for the joining checkpoint", converged.Disk);
        time.Touch = null;
        pair.Primary.TakeCheckpoint(new Epoch(1), resumeAfter: true);
        Assert.Equal(6000, pair.Wait<StateCaptured>().PageCount);
        Assert.Equal(new Epoch(1), pair.Wait<ImageLoaded>().Epoch);
        Assert.True(pair.PrimaryGuest.MayRun);
    }

    [Fact]
    public async Task What_a_copy_did_not_foresee_ends_the_session_and_not_the_process()
    {
        await using var pair = new SessionPair();
        pair.Primary.CopyMemory();
        pair.Wait<MemoryRoundDone>();
        pair.Primary.CopyMemory(); // the sender refuses a second copy for the same epoch
        Assert.Equal(ReplicationChannel.Checkpoint, pair.Wait<ReplicationLinkLost>().Channel);
        Assert.Contains(pair.Lines, line => line.Contains("must be greater than", StringComparison.Ordinal));
        Assert.True(pair.PrimaryGuest.MayRun);
    }

    [Fact]
    public async Task A_copy_that_takes_long_tells_that_it_moves()
    {
        await using var pair = new SessionPair(new SteppingTime());
        pair.Primary.CopyMemory();
        pair.Wait<MemoryRoundDone>();

        // The clock is looked at before the copy, after its announcement, after its one pass, and when it is over.
        long announced = pair.Wait<MemoryCopyProgress>().BytesSent;
        Assert.InRange(pair.Wait<MemoryCopyProgress>().BytesSent, announced + 1, long.MaxValue);
        Assert.Equal(0, pair.Count<MemoryCopyProgress>());
    }

    [Fact]
    public async Task An_abort_of_a_checkpoint_that_is_over_changes_nothing()
    {
        await using var pair = new SessionPair();
        for (int epoch = 1; epoch <= 3; epoch++)
        {
            pair.Primary.TakeCheckpoint(new Epoch(epoch), resumeAfter: true);
            pair.Wait<ImageLoaded>();
            pair.Primary.CopyDisk(DiskCopyPlan.Nothing);
            pair.Wait<DiskCopyDone>(); // what was asked for before it is over
            pair.Primary.AbortCheckpoint();
        }
    }

    [Fact]
    public async Task A_guest_that_may_go_on_before_a_switchover_was_captured_goes_on()
    {
        await using var pair = new SessionPair(listens: false);
        pair.Primary.TakeCheckpoint(new Epoch(1), resumeAfter: false);
        Assert.False(pair.PrimaryGuest.MayRun);
        pair.PrimaryGuest.Allow(); // the peer is lost, or the operator has changed his mind
        pair.Listen();
        pair.Wait<StateCaptured>();
        Assert.True(pair.PrimaryGuest.MayRun);
    }

    [Fact]
    public async Task A_guest_that_may_go_on_while_it_is_captured_does_when_that_is_done()
    {
        await using var pair = new SessionPair(listens: false);
        VirtMachine machine = pair.PrimaryGuest.Machine;
        pair.PrimaryGuest.ForbidFromNextPause();
        pair.PrimaryGuest.PauseForCapture();
        pair.PrimaryGuest.Allow();
        Assert.False(machine.IsRunning);
        pair.PrimaryGuest.SaveDevices(new ArrayBufferWriter<byte>());
        pair.PrimaryGuest.Resume();
        Assert.True(machine.IsRunning);
    }

    [Fact]
    public async Task A_session_that_ends_is_waited_for_before_its_guest_is_thrown_away()
    {
        await using var pair = new SessionPair();
        using var captured = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        pair.Reported = message =>
        {
            if (message is StateCaptured)
            {
                captured.Set();
                Assert.True(goOn.Wait(Hang));
            }
        };
        pair.Primary.TakeCheckpoint(new Epoch(1), resumeAfter: true);
        Assert.True(captured.Wait(Hang));
        pair.Primary.Dispose();
        pair.Wait<ReplicationLinkLost>(); // the secondary's: the links are cut, and the session has pages to send
        Assert.True(pair.Primary.IsAlive);
        Task thrownAway = Task.Run(() =>
        {
            pair.Primary.Join();
            Assert.False(pair.Primary.IsAlive);
            pair.PrimaryGuest.Dispose();
        });
        goOn.Set();
        await thrownAway.WaitAsync(Hang);
    }

    private static EffectList Decide(ResyncWorkerCore core, Message message)
    {
        var effects = new EffectList();
        core.Decide(Instant.Zero, message, effects);
        return effects;
    }

    /// <summary>A clock that goes on by a second whenever somebody looks at it, with one timer.</summary>
    private sealed class SteppingTime : TimeProvider, ITimer
    {
        private long now;
        private Action? due;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp()
        {
            due?.Invoke();
            return Interlocked.Increment(ref now);
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Assert.Equal(TimeSpan.FromSeconds(1), period);
            due = () => callback(state);
            return this;
        }

        public bool Change(TimeSpan dueTime, TimeSpan period) => true;

        public void Dispose() => due = null;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>Whenever somebody looks at the clock, the guest has written to its first pages again.</summary>
    private sealed class HotTime(int pages) : TimeProvider
    {
        public Action<int>? Touch { get; set; }

        public override long GetTimestamp()
        {
            for (int page = 0; page < pages && Touch is { } touch; page++)
            {
                touch(page);
            }

            return base.GetTimestamp();
        }
    }
}
