using Colo.Actors.Arbiter;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Tests.Failover;

/// <summary>Without an arbiter the operator's own command is all the permission that there is.</summary>
public sealed class OperatorDecidesTests
{
    private static readonly HostIdentity B = HostInTest.B;

    private readonly HostInTest _host = new();

    [Fact]
    public void Unprotect_leaves_the_guest_running_alone()
    {
        _host.BecomePrimary();
        _host.Say(new UnprotectCommand(_host.NextCommand()));
        AssertForced();
        Assert.Equal(FailoverState.Solo, _host.State);
    }

    [Fact]
    public void A_failover_on_the_primary_needs_no_second_command()
    {
        _host.BecomePrimary();
        _host.Say(new FailoverCommand(_host.NextCommand(), "b is off", AcceptDataLoss: false));
        AssertForced();
        Assert.Equal(FailoverState.Solo, _host.State);
    }

    [Fact]
    public void A_failover_on_the_secondary_needs_no_second_command()
    {
        _host.BecomeSecondary();
        _host.Say(new FailoverCommand(_host.NextCommand(), "b is off", AcceptDataLoss: false));
        AssertForced();
        Assert.Equal(FailoverState.Solo, _host.State);
    }

    [Fact]
    public void A_secondary_that_leaves_by_itself_has_agreed()
    {
        _host.BecomePrimary();
        _host.Say(new LeaveNotice(B, _host.Record.Term, "stops"));
        AssertForced();
        Assert.Equal(FailoverState.Solo, _host.State);
    }

    [Fact]
    public void A_silent_secondary_has_not()
    {
        _host.BecomePrimary();
        _host.Say(new PeerLost(B, LossEvidence.Silence));
        _host.AnswerOperatorNeeded();
        Assert.Equal(FailoverState.PrimaryHeld, _host.State);
        Assert.Null(_host.Asked);
    }

    [Fact]
    public void A_vm_that_was_removed_and_made_again_starts_in_the_same_life()
    {
        _host.Say(new NodeStarted());
        _host.Answer(new ArbiterAnswer.Granted(new ArbiterRecord(HostInTest.Vm, new Term(1), HostInTest.A, null)));
        Assert.Equal(ArbiterClaim.InSync, _host.Asked!.Claim);
    }

    [Fact]
    public void A_start_that_is_refused_by_what_is_known_is_not_repeated_at_once()
    {
        ArbiterRecord record = new(HostInTest.Vm, new Term(1), HostInTest.A, null);
        _host.Say(new NodeStarted());
        _host.Answer(new ArbiterAnswer.Granted(record));
        _host.Answer(new ArbiterAnswer.Refused(record, ArbiterRefusal.NotAllowed));
        Assert.Null(_host.Asked);
        Assert.Contains(_host.Effects, effect => effect is Effect.StartTimer { Name: TimerName.ArbiterRetry });
    }

    private void AssertForced()
    {
        Assert.Equal(ArbiterClaim.InSync, _host.Asked!.Claim);
        _host.AnswerOperatorNeeded();
        Assert.Equal(ArbiterClaim.OperatorForced, _host.Asked!.Claim);
        _host.Grant();
    }
}
