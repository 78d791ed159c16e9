using Colo.Actors.Arbiter;
using Colo.Actors.Network;
using Colo.Actors.Protocol;

namespace Colo.Actors.Tests.Network;

public sealed class OutputGateTests
{
    private static readonly HostIdentity Self = new(new HostId("a"), new Incarnation(1));
    private static readonly HostIdentity Peer = new(new HostId("b"), new Incarnation(1));
    private static readonly VmId Vm = new("vm");

    [Fact]
    public void Holds_everything_before_it_is_opened()
    {
        OutputGate gate = new(Self);
        Assert.Equal(FrameFate.HeldGateClosed, gate.Decide(Matched(0, 0)));
        Assert.True(gate.IsClosed);
    }

    [Fact]
    public void Solo_releases_an_unmatched_frame() =>
        Assert.Equal(FrameFate.Solo, SoloGate(3).Decide(FrameFacts.Unmatched(new Epoch(7), new Term(3))));

    [Fact]
    public void Solo_holds_a_frame_of_a_newer_term_than_its_grant() =>
        Assert.Equal(FrameFate.HeldNewerTerm, SoloGate(3).Decide(FrameFacts.Unmatched(new Epoch(7), new Term(4))));

    [Fact]
    public void Solo_needs_a_record_of_this_host()
    {
        OutputGate gate = new(Self);
        InvariantViolationException violation = Assert.Throws<InvariantViolationException>(
            () => gate.OpenSolo(new ArbiterRecord(Vm, new Term(2), Peer, null)));
        Assert.Equal("S2", violation.Id);
    }

    [Fact]
    public void Solo_needs_a_record_of_this_life()
    {
        HostIdentity earlier = new(Self.Host, new Incarnation(0));
        Assert.Throws<InvariantViolationException>(() => new OutputGate(Self).OpenSolo(new ArbiterRecord(Vm, new Term(2), earlier, null)));
    }

    [Fact]
    public void Solo_does_not_open_on_a_pair() =>
        Assert.Throws<InvariantViolationException>(() => new OutputGate(Self).OpenSolo(new ArbiterRecord(Vm, new Term(2), Self, Peer)));

    [Fact]
    public void Pair_does_not_open_on_the_secondary() =>
        Assert.Throws<InvariantViolationException>(
            () => new OutputGate(Self).OpenPair(new ArbiterRecord(Vm, new Term(2), Peer, Self), Epoch.Zero));

    [Fact]
    public void A_term_never_goes_back()
    {
        OutputGate gate = SoloGate(5);
        Assert.Equal("S3", Assert.Throws<InvariantViolationException>(
            () => gate.OpenSolo(new ArbiterRecord(Vm, new Term(4), Self, null))).Id);
    }

    [Fact]
    public void Pair_holds_a_frame_that_the_secondary_has_not_made() =>
        Assert.Equal(FrameFate.HeldNotMatched, PairGate(2, 4).Decide(FrameFacts.Unmatched(new Epoch(4), new Term(2))));

    [Fact]
    public void Pair_releases_a_frame_that_both_made_from_the_same_epoch() =>
        Assert.Equal(FrameFate.Matched, PairGate(2, 4).Decide(Matched(4, 4)));

    [Theory]
    [InlineData(5, 4)]
    [InlineData(4, 5)]
    public void Pair_holds_equal_bytes_of_different_epochs(long own, long other) =>
        Assert.Equal(FrameFate.HeldEpochsDiffer, PairGate(2, 4).Decide(Matched(own, other)));

    [Fact]
    public void Pair_releases_what_was_made_before_the_acknowledged_capture() =>
        Assert.Equal(FrameFate.Committed, PairGate(2, 4).Decide(FrameFacts.Unmatched(new Epoch(3), new Term(2))));

    [Fact]
    public void Pair_holds_what_was_made_after_the_acknowledged_capture() =>
        Assert.Equal(FrameFate.HeldNotMatched, PairGate(2, 4).Decide(FrameFacts.Unmatched(new Epoch(4), new Term(2))));

    [Fact]
    public void An_acknowledgement_releases_exactly_the_epochs_below_it()
    {
        OutputGate gate = PairGate(2, 4);
        gate.Acknowledge(new Epoch(6));
        Assert.Equal(FrameFate.Committed, gate.Decide(FrameFacts.Unmatched(new Epoch(5), new Term(2))));
        Assert.Equal(FrameFate.HeldNotMatched, gate.Decide(FrameFacts.Unmatched(new Epoch(6), new Term(2))));
    }

    [Fact]
    public void An_older_acknowledgement_changes_nothing()
    {
        OutputGate gate = PairGate(2, 6);
        gate.Acknowledge(new Epoch(3));
        Assert.Equal(new Epoch(6), gate.Acknowledged);
    }

    [Fact]
    public void Committed_does_not_ask_for_the_acknowledgement_number()
    {
        FrameFacts far = new(new Epoch(3), new Term(2), null, HasAck: true, Ack: 500, SafeAck: 100);
        Assert.Equal(FrameFate.Committed, PairGate(2, 4).Decide(far));
    }

    [Theory]
    [InlineData(100u, 100u, FrameFate.Matched)]
    [InlineData(101u, 100u, FrameFate.HeldAckTooFar)]
    [InlineData(99u, 100u, FrameFate.Matched)]
    [InlineData(0u, 0xFFFFFFFFu, FrameFate.HeldAckTooFar)]
    [InlineData(0xFFFFFFFFu, 0u, FrameFate.Matched)]
    [InlineData(5u, 0xFFFFFFF0u, FrameFate.HeldAckTooFar)]
    [InlineData(0xFFFFFFF0u, 5u, FrameFate.Matched)]
    [InlineData(0x80000000u, 1u, FrameFate.HeldAckTooFar)]
    public void Matched_needs_that_the_secondary_has_what_is_acknowledged(uint ack, uint safe, FrameFate expected)
    {
        FrameFacts facts = new(new Epoch(4), new Term(2), new Epoch(4), HasAck: true, ack, safe);
        Assert.Equal(expected, PairGate(2, 4).Decide(facts));
    }

    [Fact]
    public void Matched_ignores_the_number_of_a_frame_without_acknowledgement() =>
        Assert.Equal(FrameFate.Matched, PairGate(2, 4).Decide(new FrameFacts(new Epoch(4), new Term(2), new Epoch(4), false, 9, 1)));

    [Fact]
    public void The_acknowledgement_rule_is_the_sign_of_the_difference_everywhere()
    {
        OutputGate gate = PairGate(2, 4);
        ulong state = 42;
        for (int i = 0; i < 20_000; i++)
        {
            state = unchecked((state * 6364136223846793005UL) + 1442695040888963407UL);
            uint safe = (uint)(state >> 32);
            int distance = unchecked((int)(state >> 7)) >> (int)(state % 31);
            if (distance == int.MinValue)
            {
                continue;
            }

            FrameFacts facts = new(new Epoch(4), new Term(2), new Epoch(4), true, unchecked(safe + (uint)distance), safe);
            FrameFate expected = distance > 0 ? FrameFate.HeldAckTooFar : FrameFate.Matched;
            Assert.True(expected == gate.Decide(facts), $"safe {safe} distance {distance}");
        }
    }

    [Fact]
    public void Joining_gives_up_solo_at_once()
    {
        OutputGate gate = SoloGate(3);
        gate.BeginJoin();
        Assert.Equal(FrameFate.HeldNotMatched, gate.Decide(FrameFacts.Unmatched(new Epoch(7), new Term(3))));
        Assert.False(gate.IsSolo);
    }

    [Fact]
    public void Joining_does_not_count_the_joiners_acknowledgement_as_commit()
    {
        OutputGate gate = SoloGate(3);
        gate.BeginJoin();
        gate.Acknowledge(new Epoch(9));
        Assert.Equal(FrameFate.HeldNotMatched, gate.Decide(FrameFacts.Unmatched(new Epoch(7), new Term(3))));
    }

    [Fact]
    public void Joining_releases_a_matched_frame()
    {
        OutputGate gate = SoloGate(3);
        gate.BeginJoin();
        Assert.Equal(FrameFate.Matched, gate.Decide(Matched(7, 7)));
    }

    [Fact]
    public void The_pair_makes_the_joining_image_count()
    {
        OutputGate gate = SoloGate(3);
        gate.BeginJoin();
        gate.OpenPair(new ArbiterRecord(Vm, new Term(4), Self, Peer), new Epoch(8));
        Assert.Equal(FrameFate.Committed, gate.Decide(FrameFacts.Unmatched(new Epoch(7), new Term(3))));
    }

    [Fact]
    public void A_certain_no_gives_solo_back()
    {
        OutputGate gate = SoloGate(3);
        gate.BeginJoin();
        gate.OpenSolo(new ArbiterRecord(Vm, new Term(3), Self, null));
        Assert.True(gate.IsSolo);
    }

    [Fact]
    public void Only_a_solo_owner_takes_a_joiner_in() =>
        Assert.Throws<InvariantViolationException>(() => PairGate(2, 4).BeginJoin());

    [Fact]
    public void A_closed_gate_holds_even_what_was_committed()
    {
        OutputGate gate = PairGate(2, 4);
        gate.Close("evicted");
        Assert.Equal(FrameFate.HeldGateClosed, gate.Decide(FrameFacts.Unmatched(new Epoch(3), new Term(2))));
        Assert.Equal("evicted", gate.ClosedBecause);
    }

    [Fact]
    public void Exactly_the_three_permits_are_releases()
    {
        FrameFate[] releases = [.. Enum.GetValues<FrameFate>().Where(OutputGate.IsRelease)];
        Assert.Equal([FrameFate.Matched, FrameFate.Committed, FrameFate.Solo], releases);
    }

    [Fact]
    public void A_decision_allocates_nothing()
    {
        OutputGate gate = PairGate(2, 4);
        FrameFacts facts = Matched(4, 4);
        gate.Decide(facts);
        long allocated = long.MaxValue;
        // A collection that falls into a round charges this thread with the rest of its allocation buffer: the best of
        // a few counts.
        for (int attempt = 0; attempt < 5 && allocated != 0; attempt++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            int released = 0;
            for (int i = 0; i < 10_000; i++)
            {
                released += OutputGate.IsRelease(gate.Decide(facts)) ? 1 : 0;
            }

            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.Equal(10_000, released);
        }

        Assert.Equal(0, allocated);
    }

    private static FrameFacts Matched(long own, long other) => new(new Epoch(own), new Term(2), new Epoch(other), false, 0, 0);

    private static OutputGate SoloGate(long term)
    {
        OutputGate gate = new(Self);
        gate.OpenSolo(new ArbiterRecord(Vm, new Term(term), Self, null));
        return gate;
    }

    private static OutputGate PairGate(long term, long acknowledged)
    {
        OutputGate gate = new(Self);
        gate.OpenPair(new ArbiterRecord(Vm, new Term(term), Self, Peer), new Epoch(acknowledged));
        return gate;
    }
}
