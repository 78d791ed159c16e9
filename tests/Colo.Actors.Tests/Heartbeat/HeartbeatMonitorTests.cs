using Colo.Actors.Heartbeat;
using Colo.Actors.Protocol;

namespace Colo.Actors.Tests.Heartbeat;

public sealed class HeartbeatMonitorTests
{
    private static readonly HostId B = new("b");
    private static readonly HostIdentity B1 = new(B, new Incarnation(1));
    private static readonly HostIdentity B2 = new(B, new Incarnation(2));

    private readonly List<HeartbeatFinding> _findings = [];
    private HeartbeatMonitor _monitor = new([(B, 2)], new HeartbeatOptions());
    private Instant _now = new(10_000_000);

    [Fact]
    public void Default_options_are_valid() => Assert.Empty(new HeartbeatOptions().Validate());

    [Fact]
    public void Options_name_every_violation_at_once() =>
        Assert.Equal(2, new HeartbeatOptions { PhiThreshold = 0, LostAtMost = TimeSpan.FromMilliseconds(100), AcceptablePause = TimeSpan.Zero }
            .Validate().Count);

    [Fact]
    public void A_peer_is_seen_with_its_first_heartbeat()
    {
        Beat(B1, 0);
        Assert.Contains(new HeartbeatFinding.Seen(B1), _findings);
    }

    [Fact]
    public void A_silent_host_is_lost_in_less_than_half_a_second()
    {
        Run(2_000, both: true);
        int lostAfter = RunSilent(1_000);
        Assert.InRange(lostAfter, 150, 499);
        Assert.Contains(new HeartbeatFinding.Lost(B1, LossEvidence.Silence), _findings);
    }

    [Fact]
    public void A_jittery_link_is_given_more_time_but_not_half_a_second()
    {
        ulong state = 9;
        for (int i = 0; i < 100; i++)
        {
            state = unchecked((state * 6364136223846793005UL) + 1442695040888963407UL);
            Advance(30 + (int)((state >> 33) % 120));
            Beat(B1, 0);
        }

        Assert.DoesNotContain(_findings, finding => finding is HeartbeatFinding.Lost);
        Assert.InRange(RunSilent(1_000), 150, 499);
    }

    [Fact]
    public void One_silent_link_of_two_is_no_loss()
    {
        Run(1_000, both: true);
        Run(3_000, both: false);
        Assert.DoesNotContain(_findings, finding => finding is HeartbeatFinding.Lost);
    }

    [Fact]
    public void One_silent_link_of_two_is_told_once_and_told_again_when_it_speaks()
    {
        Run(1_000, both: true);
        Assert.Equal([true, true], Assert.Single(_monitor.Describe(_now)).LinksUp);
        _findings.Clear();
        Run(500, both: false);
        Assert.DoesNotContain(_findings, finding => finding is HeartbeatFinding.Link); // it may only be late
        Run(3_000, both: false);
        Assert.Equal(new HeartbeatFinding.Link(B, 1, Up: false), Assert.Single(Links()));
        Assert.Equal([true, false], Assert.Single(_monitor.Describe(_now)).LinksUp);
        Decide(new HeartbeatLinkReset(B, 1)); // the system gives up the connection: no news
        Assert.Single(Links());
        Run(1_000, both: true);
        Assert.Equal([new(B, 1, Up: false), new(B, 1, Up: true)], Links());
        Assert.Equal([true, true], Assert.Single(_monitor.Describe(_now)).LinksUp);
        Assert.DoesNotContain(_findings, finding => finding is HeartbeatFinding.Lost);
    }

    [Fact]
    public void A_host_that_comes_back_over_one_link_has_lost_the_other_only_if_that_stays_silent()
    {
        Run(1_000, both: true);
        RunSilent(2_000);
        Assert.Equal([false, false], Assert.Single(_monitor.Describe(_now)).LinksUp);
        _findings.Clear();
        Run(300, both: false);
        Run(3_000, both: true);
        Assert.Empty(Links());
        RunSilent(2_000);
        Run(3_000, both: false);
        Assert.Equal(new HeartbeatFinding.Link(B, 1, Up: false), Assert.Single(Links()));
    }

    [Fact]
    public void A_node_with_one_network_has_no_second_one_that_is_down()
    {
        var witness = new HostId("w");
        _monitor = new HeartbeatMonitor([(B, 2), (witness, 1)], new HeartbeatOptions());
        Beat(new HostIdentity(witness, new Incarnation(1)), 0);
        Assert.Equal([true], _monitor.Describe(_now).Single(peer => peer.Host == witness).LinksUp);
    }

    [Fact]
    public void A_reset_of_every_link_is_a_loss_at_once()
    {
        Run(1_000, both: true);
        Decide(new HeartbeatLinkReset(B, 0));
        Assert.DoesNotContain(_findings, finding => finding is HeartbeatFinding.Lost);
        Decide(new HeartbeatLinkReset(B, 1));
        Assert.Contains(new HeartbeatFinding.Lost(B1, LossEvidence.ProcessGone), _findings);
    }

    [Fact]
    public void A_refused_connection_is_a_loss_at_once_when_no_other_link_speaks()
    {
        Run(1_000, both: true);
        Decide(new HeartbeatLinkReset(B, 0));
        Decide(new HeartbeatConnectionRefused(B, 1));
        Assert.Contains(new HeartbeatFinding.Lost(B1, LossEvidence.ProcessGone), _findings);
    }

    /// <summary>A firewall that resets, or a second host with the address, on one network of two.</summary>
    [Fact]
    public void A_refused_connection_is_no_loss_while_another_link_speaks()
    {
        Run(1_000, both: true);
        for (int time = 0; time < 20; time++)
        {
            Run(100, both: false);
            Decide(new HeartbeatConnectionRefused(B, 1));
        }

        Assert.DoesNotContain(_findings, finding => finding is HeartbeatFinding.Lost);
        RunSilent(200);
        Decide(new HeartbeatConnectionRefused(B, 1));
        Assert.Contains(new HeartbeatFinding.Lost(B1, LossEvidence.ProcessGone), _findings);
    }

    [Fact]
    public void A_new_life_is_seen_and_the_old_one_is_not_heard_any_more()
    {
        Run(500, both: true);
        Beat(B2, 0);
        Assert.Contains(new HeartbeatFinding.Seen(B2), _findings);
        _findings.Clear();
        Beat(B1, 0);
        Assert.Empty(_findings);
    }

    [Fact]
    public void A_stalled_monitor_accuses_nobody_for_its_own_pause()
    {
        Run(1_000, both: true);
        Advance(2_000);
        Decide(new HeartbeatTick());
        Assert.Contains(_findings, finding => finding is HeartbeatFinding.Stalled);
        Assert.DoesNotContain(_findings, finding => finding is HeartbeatFinding.Lost);
        Run(1_000, both: true);
        Assert.DoesNotContain(_findings, finding => finding is HeartbeatFinding.Lost);
    }

    [Fact]
    public void A_peer_that_is_dead_is_lost_also_after_an_own_stall()
    {
        Run(1_000, both: true);
        Advance(2_000);
        Decide(new HeartbeatTick());
        Assert.InRange(RunSilent(2_000), 1, 1_000);
    }

    [Fact]
    public void A_loss_is_repeated_and_taken_back_by_a_heartbeat()
    {
        Run(1_000, both: true);
        RunSilent(2_500);
        Assert.True(_findings.Count(finding => finding is HeartbeatFinding.Lost) >= 2);
        _findings.Clear();
        Beat(B1, 1);
        Assert.Contains(new HeartbeatFinding.Seen(B1), _findings);
    }

    [Fact]
    public void The_gateway_tells_who_is_cut_off()
    {
        _monitor = new HeartbeatMonitor([(B, 2)], new HeartbeatOptions());
        Decide(new GatewayAnswered());
        Run(3_000, both: true);
        Assert.Equal(new HeartbeatFinding.Gateway(false, true), _findings.OfType<HeartbeatFinding.Gateway>().Last());
    }

    [Fact]
    public void Strangers_and_unknown_links_are_ignored()
    {
        Beat(new HostIdentity(new HostId("x"), new Incarnation(1)), 0);
        Beat(B1, 7);
        Beat(B1, -1);
        Assert.Empty(_findings);
    }

    private HeartbeatFinding.Link[] Links() => [.. _findings.OfType<HeartbeatFinding.Link>()];

    private void Run(int milliseconds, bool both)
    {
        for (int elapsed = 0; elapsed < milliseconds; elapsed += 50)
        {
            Advance(50);
            Beat(B1, 0);
            if (both)
            {
                Beat(B1, 1);
            }

            Decide(new HeartbeatTick());
        }
    }

    private int RunSilent(int milliseconds)
    {
        int found = -1;
        for (int elapsed = 50; elapsed <= milliseconds; elapsed += 50)
        {
            Advance(50);
            Decide(new HeartbeatTick());
            if (found < 0 && _findings.Exists(finding => finding is HeartbeatFinding.Lost))
            {
                found = elapsed;
            }
        }

        return found;
    }

    private void Beat(HostIdentity from, int link) => Decide(new HeartbeatReceived(from, link, ReachesGateway: true, Facts: 0));

    private void Advance(int milliseconds) => _now += TimeSpan.FromMilliseconds(milliseconds);

    private void Decide(Message message) => _monitor.Decide(_now, message, _findings);
}
