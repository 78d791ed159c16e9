using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;
using Colo.Actors.Vm.Qemu;

namespace Colo.Actors.Tests.Vm;

public sealed class QemuPairCoreTests
{
    private static readonly HostIdentity A = new(new HostId("a"), new Incarnation(1));
    private static readonly HostIdentity B = new(new HostId("b"), new Incarnation(1));
    private readonly EffectList _effects = new();

    private readonly QemuPairCore _core = new(
        new VmId("guest"), A, new FailoverOptions { Candidates = [A.Host, B.Host], DiskSizeBytes = 512 }, ReplicationMode.Colo);

    [Fact]
    public void The_pair_is_asked_for_only_when_both_sides_run_the_first_state()
    {
        Fill(1, Term.Zero);
        Say(new CheckpointTrigger(CheckpointReason.Join));
        Epoch first = Assert.Single(_effects.OfType<Effect.CaptureState>()).Epoch;

        Say(new QemuPairRunning());
        Assert.DoesNotContain(Told(), message => message is JoinCheckpointLoaded);
        Say(new VmStateLoaded(B, new Term(1), first));

        Assert.Contains(new JoinCheckpointLoaded(B, first), Told());
    }

    [Fact]
    public void A_pair_that_cannot_be_started_is_a_failed_attempt_and_not_a_failed_machine()
    {
        Fill(1, Term.Zero);
        Say(new CheckpointTrigger(CheckpointReason.Join));

        Say(new QemuStartFailed("refused"));

        Assert.Equal([new ResyncFailed(B, "refused")], Told());
    }

    [Fact]
    public void The_bitmap_is_trusted_only_with_the_peer_and_the_term_that_it_was_begun_with()
    {
        Assert.Equal(DiskCopyPlan.Full, Fill(1, new Term(0)));
        Pair(new Term(2));
        Say(new EndPrimarySession(Resume: true, "lost"));

        Assert.Equal(DiskCopyPlan.Full, Fill(3, new Term(1)));
        Say(new EndPrimarySession(Resume: true, "again"));
        Assert.Equal(DiskCopyPlan.Bitmaps, Fill(3, new Term(2)));
    }

    [Fact]
    public void A_switchover_lets_go_after_one_more_checkpoint()
    {
        Fill(1, Term.Zero);
        Pair(new Term(2));
        Say(new CheckpointTrigger(CheckpointReason.Switchover));
        Assert.DoesNotContain(Told(), message => message is GuestHandedOver);

        Say(new QemuCheckpointTaken(TimeSpan.FromMilliseconds(3)));

        Assert.Contains(Told(), message => message is GuestHandedOver);
    }

    [Fact]
    public void A_joiner_is_settled_as_usable_only_when_its_replica_runs()
    {
        Say(new StartSecondarySession(B, new Term(1), 4));
        Say(new QemuTargetReady());
        Assert.Contains(_effects.OfType<Effect.Send>(), send => send.Message is CheckpointReady { Attempt: 4 });
        Say(new CheckpointRequest(B, new Term(1), new Epoch(7), CheckpointReason.Join));
        Say(new SettleSecondary());
        Assert.Equal([new SecondarySettled(Epoch.Zero, Usable: false)], Told());

        Say(new StartSecondarySession(B, new Term(1), 5));
        Say(new QemuTargetReady());
        Say(new QemuReplicaRunning());
        Say(new CheckpointRequest(B, new Term(1), new Epoch(7), CheckpointReason.Join));
        Say(new SettleSecondary());
        Assert.Equal([new SecondarySettled(new Epoch(7), Usable: true)], Told());
    }

    private DiskCopyPlan Fill(long term, Term joinersLast)
    {
        Say(new StartPrimarySession(B, new Term(term), 1, Epoch.Zero, InSync: false));
        Say(new CheckpointReady(B, new Term(term), 1));
        Assert.Contains(new JoinerReady(B), Told());
        Say(new StartResync(B, new Term(term), new DiskLineage(joinersLast, false, 512), new Term(term), 512));
        DiskCopyPlan plan = Assert.Single(_effects.OfType<Effect.CopyDisk>()).Plan;
        Say(new DiskCopyDone());
        Assert.Contains(new ResyncConverged(B), Told());
        return plan;
    }

    private void Pair(Term term)
    {
        Say(new CheckpointTrigger(CheckpointReason.Join));
        Epoch first = Assert.Single(_effects.OfType<Effect.CaptureState>()).Epoch;
        Say(new QemuPairRunning());
        Say(new VmStateLoaded(B, new Term(term.Value - 1), first));
        Say(new PrimaryPaired(term));
    }

    private void Say(Message message)
    {
        _effects.Clear();
        _core.Decide(Instant.Zero, message, _effects);
    }

    private IEnumerable<Message> Told() => _effects.OfType<Effect.Tell>().Select(tell => tell.Message);
}
