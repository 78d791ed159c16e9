using Colo.Actors.Arbiter;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Tests.Failover;

/// <summary>A host that the VM went on without, and that was not told or has not heard it.</summary>
public sealed class OutdatedHostTests
{
    private static readonly HostIdentity B = HostInTest.B;

    private readonly HostInTest _host = new();

    [Theory]
    [InlineData(FailoverState.Solo)]
    [InlineData(FailoverState.Primary)]
    [InlineData(FailoverState.Off)]
    public void A_host_that_is_heard_with_an_older_term_is_told_of_the_record_each_time(FailoverState owner)
    {
        var zombie = new HostIdentity(new HostId("z"), new Incarnation(1));
        if (owner == FailoverState.Primary)
        {
            _host.BecomePrimary();
        }
        else
        {
            _host.BecomeSolo();
        }

        if (owner == FailoverState.Off)
        {
            _host.Say(new StopCommand(_host.NextCommand()));
            _host.Grant();
        }

        Assert.Equal(owner, _host.State);
        for (int time = 0; time < 2; time++)
        {
            _host.Say(new PeerSeen(zombie, Term.Zero, HoldsGuest: true));
            Effect.Send told = Assert.Single(_host.Effects.OfType<Effect.Send>());
            Assert.Equal(zombie.Host, told.To);
            Assert.Equal(_host.Record, Assert.IsType<PairDissolved>(told.Message).Record);
        }

        _host.Say(new PeerSeen(zombie, _host.Record.Term, HoldsGuest: true));
        Assert.Empty(_host.Sent);
    }

    /// <summary>Its heartbeat names the new term a little later than its own message does.</summary>
    [Fact]
    public void An_invitation_that_comes_twice_does_not_cost_a_joiner_its_image()
    {
        _host.Say(new NodeStarted());
        _host.Answer(new ArbiterAnswer.Granted(new ArbiterRecord(HostInTest.Vm, new Term(1), HostInTest.B, null)));
        _host.Say(new JoinInvite(HostInTest.B, new Term(1), 2));
        _host.Say(new JoinInvite(HostInTest.B, new Term(1), 2));
        Assert.DoesNotContain(_host.Effects, effect => effect is Effect.DiscardGuest);
        _host.Say(new JoinInvite(HostInTest.B, new Term(1), 3));
        Assert.Contains(_host.Effects, effect => effect is Effect.DiscardGuest);
    }

    [Fact]
    public void The_secondary_of_a_new_pair_is_told_of_no_other()
    {
        _host.BecomePrimary();
        _host.Say(new PeerSeen(B, new Term(1), HoldsGuest: true));
        Assert.Empty(_host.Sent);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_host_that_waits_for_the_operator_and_is_told_of_a_newer_record_gives_its_guest_up(bool primary)
    {
        if (primary)
        {
            _host.BecomePrimary();
        }
        else
        {
            _host.BecomeSecondary();
        }

        _host.Say(new PeerLost(B, LossEvidence.Silence));
        _host.AnswerOperatorNeeded();
        ArbiterRecord forced = new(HostInTest.Vm, new Term(3), B, null);
        _host.Say(new PairDissolved(B, forced.Term, forced));
        Assert.Equal(FailoverState.Parked, _host.State);
        Assert.Contains(_host.Effects, effect => effect is Effect.DiscardGuest);
        Assert.Contains(_host.Effects, effect => effect is Effect.NoteRecord note && note.Record == forced);
    }

    [Fact]
    public void A_host_whose_guest_is_off_joins_when_the_operator_has_started_it_elsewhere()
    {
        _host.BecomeSolo();
        _host.Say(new StopCommand(_host.NextCommand()));
        _host.Grant();
        ArbiterRecord elsewhere = new(HostInTest.Vm, new Term(3), B, null);
        _host.Say(new PairDissolved(B, elsewhere.Term, elsewhere));
        Assert.Equal(FailoverState.Parked, _host.State);
        Assert.Contains(_host.Sent, message => message is JoinOffer);
    }

    /// <summary>Without an arbiter a target has not read the record by which it was invited.</summary>
    [Fact]
    public void A_target_that_is_told_of_its_owners_record_stays_a_target()
    {
        _host.Say(new NodeStarted());
        _host.Answer(new ArbiterAnswer.Granted(new ArbiterRecord(HostInTest.Vm, new Term(1), B, null)));
        _host.Say(new JoinInvite(B, new Term(4), 1));
        ArbiterRecord owner = new(HostInTest.Vm, new Term(4), B, null);
        _host.Say(new PairDissolved(B, owner.Term, owner));
        Assert.Equal(FailoverState.JoinTarget, _host.State);
        ArbiterRecord newer = new(HostInTest.Vm, new Term(5), B, null);
        _host.Say(new PairDissolved(B, newer.Term, newer));
        Assert.Equal(FailoverState.Parked, _host.State);
    }
}
