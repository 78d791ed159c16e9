using Colo.Actors.Arbiter;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Tests.Failover;

/// <summary>A primary that does not reach the gateway hands the guest over, whenever it came to know that.</summary>
public sealed class GatewayTests
{
    private static readonly GatewayChanged CutOff = new(Reachable: false, PeerReaches: true);

    private readonly HostInTest _host = new();

    [Fact]
    public void A_gateway_that_was_lost_before_there_was_a_pair_counts_when_there_is_one()
    {
        _host.BecomeSolo();
        _host.Say(CutOff);
        Assert.Equal(FailoverState.Solo, _host.State);
        _host.JoinUntilAsked();
        _host.Grant();
        Assert.Equal(FailoverState.SwitchoverOut, _host.State);
    }

    [Fact]
    public void A_gateway_that_is_back_when_there_is_a_pair_moves_nothing()
    {
        _host.BecomeSolo();
        _host.Say(CutOff);
        _host.JoinUntilAsked();
        ArbiterRecord pair = _host.Asked!.Next;
        _host.Say(new GatewayChanged(Reachable: true, PeerReaches: true));
        _host.Answer(new ArbiterAnswer.Granted(pair));
        Assert.Equal(FailoverState.Primary, _host.State);
    }

    [Fact]
    public void A_hand_over_that_fails_is_tried_again_later_as_long_as_the_gateway_is_away()
    {
        _host.BecomePrimary();
        _host.Say(CutOff);
        Assert.Equal(FailoverState.SwitchoverOut, _host.State);
        _host.Fire(TimerName.PeerStep);
        Assert.Equal(FailoverState.Primary, _host.State);
        _host.Fire(TimerName.PeerStep);
        Assert.Equal(FailoverState.SwitchoverOut, _host.State);
    }

    /// <summary>Which of the others reaches it is not known: it may be a third.</summary>
    [Fact]
    public void A_guest_that_was_handed_over_is_not_handed_back()
    {
        _host.BecomeSecondary();
        _host.Say(CutOff);
        ArbiterRecord exchanged = new(HostInTest.Vm, _host.Record.Term.Next, HostInTest.A, HostInTest.B);
        _host.Say(new SwitchoverGranted(HostInTest.B, exchanged.Term, exchanged, new Epoch(1)));
        Assert.Equal(FailoverState.Primary, _host.State);
    }

    [Fact]
    public void A_pause_of_protection_puts_the_hand_over_off()
    {
        _host.BecomePrimary();
        _host.Say(new PauseProtectionCommand(_host.NextCommand()));
        _host.Say(CutOff);
        Assert.Equal(FailoverState.Primary, _host.State);
        _host.Say(new ResumeProtectionCommand(_host.NextCommand()));
        Assert.Equal(FailoverState.SwitchoverOut, _host.State);
    }
}
