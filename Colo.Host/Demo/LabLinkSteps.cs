using Colo.Actors.Protocol;

namespace Colo.Host.Demo;

/// <summary>
/// Networks that are lost in part: one of two, all but the clients', one direction, the hosts' own way to the guest. On
/// a busy machine a host may be taken for lost meanwhile, which proves nothing about the part; then it is tried again.
/// </summary>
internal sealed class LabLinkSteps(LabScenario scenario)
{
    private const int Attempts = 3;

    /// <summary>The primary loses its management network, and with it the witness: the pair stays, both hosts tell that
    /// a network is down, and that it is back.</summary>
    public Task CutOneOfTwoAsync() => PairStaysAsync("a network of two was cut", async () =>
    {
        string host = scenario.Primary.Name;
        DateTimeOffset cut = DateTimeOffset.UtcNow;
        NetworkLab.SetCable(host, Cable.Management, plugged: false);
        await BothTellAsync(EventCode.LinkLost, cut).ConfigureAwait(false);
        await scenario.ServedAsync().ConfigureAwait(false);
        DateTimeOffset back = DateTimeOffset.UtcNow;
        NetworkLab.SetCable(host, Cable.Management, plugged: true);
        await BothTellAsync(EventCode.LinkBack, back).ConfigureAwait(false);
        await scenario.ServedAsync().ConfigureAwait(false);
    });

    /// <summary>The primary reaches neither its partner nor the witness, and the clients could still hear it: it must
    /// be silent, and the secondary goes on.</summary>
    public Task CutAllButLanAsync()
    {
        const Cable Cut = Cable.Management | Cable.Replication;
        string host = scenario.Primary.Name;
        return scenario.LoseAsync(
            () => NetworkLab.SetCable(host, Cut, plugged: false), () => NetworkLab.SetCable(host, Cut, plugged: true),
            scenario.Secondary);
    }

    /// <summary>The secondary does not hear the primary any more, which hears it. Whichever wins, one goes on.</summary>
    public Task CutOneWayAsync()
    {
        (string from, string to) = (scenario.Primary.Name, scenario.Secondary.Name);
        return scenario.LoseAsync(
            () => scenario.Lab.SetTowards(from, to, passes: false),
            () => scenario.Lab.SetTowards(from, to, passes: true), survivor: null);
    }

    /// <summary>The host that runs the guest does not reach it, clients do: an event when it falls silent and one when
    /// it answers, and nothing else.</summary>
    public Task CutFromGuestAsync() => PairStaysAsync("the guest was silent for its host", async () =>
    {
        DateTimeOffset cut = DateTimeOffset.UtcNow;
        SetTowardsGuest(passes: false);
        await scenario.GuestTellsAsync(EventCode.GuestSilent, cut).ConfigureAwait(false);
        await scenario.ServedAsync().ConfigureAwait(false);
        DateTimeOffset back = DateTimeOffset.UtcNow;
        SetTowardsGuest(passes: true);
        await scenario.GuestTellsAsync(EventCode.GuestAnswers, back).ConfigureAwait(false);
    });

    private async Task PairStaysAsync(string what, Func<Task> run)
    {
        for (int attempt = 1; attempt <= Attempts; attempt++)
        {
            await scenario.PairedAsync().ConfigureAwait(false);
            DateTimeOffset at = DateTimeOffset.UtcNow;
            await run().ConfigureAwait(false);
            if (scenario.HasStayedPairSince(at, $"the pair broke because {what}"))
            {
                return;
            }
        }

        throw new InvalidOperationException($"{Attempts} times a host was taken for lost when {what}");
    }

    private async Task BothTellAsync(EventCode code, DateTimeOffset since)
    {
        foreach (NodeProcess host in scenario.Cluster.Hosts)
        {
            // The management network is the second one of the lab's configurations.
            string expected = $"{scenario.Cluster.Other(host).Name}, network 1";
            await LabScenario.UntilAsync(
                () => host.Events.Any(printed => printed.Time >= since && (EventCode)printed.Code == code
                    && printed.Summary == expected),
                $"{host.Name} does not say {code}: {expected}").ConfigureAwait(false);
        }
    }

    private void SetTowardsGuest(bool passes)
    {
        foreach (NodeProcess host in scenario.Cluster.Hosts)
        {
            NetworkLab.SetTowardsGuest(host.Name, passes);
        }
    }
}
