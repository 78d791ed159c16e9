using Colo.Actors.Protocol;

namespace Colo.Host.Demo;

/// <summary>The witness is lost, alone, with a host, or with its memory: a whole pair does not need it, and without it
/// nobody becomes the only owner.</summary>
internal sealed class LabWitnessSteps(LabScenario scenario)
{
    private const int Attempts = 3;

    private NodeProcess Witness => scenario.Cluster.Witness;

    /// <summary>The pair goes on as a pair.</summary>
    public async Task KillAsync()
    {
        for (int attempt = 1; attempt <= Attempts; attempt++)
        {
            await scenario.PairedAsync().ConfigureAwait(false);
            DateTimeOffset at = DateTimeOffset.UtcNow;
            Witness.Kill();
            await scenario.ServedAsync().ConfigureAwait(false);
            await scenario.ServedAsync().ConfigureAwait(false);
            bool stayed = scenario.HasStayedPairSince(at, "the pair broke because the witness was killed");
            await StartAsync().ConfigureAwait(false);
            await scenario.ProvenPairAsync().ConfigureAwait(false);
            if (stayed)
            {
                return;
            }
        }

        throw new InvalidOperationException($"{Attempts} times a host was taken for lost when the witness was killed");
    }

    /// <summary>
    /// Witness and primary at once: the secondary holds everything. The witness starts with nothing of what it knew:
    /// that is no yes either, and the former primary, back again, must not begin a second life of the guest. The
    /// witness gets its records back, and the secondary takes over.
    /// </summary>
    public async Task ForgetAsync()
    {
        await scenario.ProvenPairAsync().ConfigureAwait(false);
        NodeProcess primary = scenario.Primary;
        NodeProcess survivor = scenario.Secondary;
        string state = Path.Combine(scenario.Folder, Witness.Name + ".state");
        string kept = state + ".kept";
        DateTimeOffset at = DateTimeOffset.UtcNow;
        Witness.Kill();
        primary.Kill();
        await scenario.AnyAsync(at, survivor, EventCode.HoldingForArbiter).ConfigureAwait(false);
        Directory.Move(state, kept);
        await StartAsync().ConfigureAwait(false);
        DateTimeOffset back = DateTimeOffset.UtcNow;
        primary.Start();
        await scenario.AnyAsync(back, primary, EventCode.ColdStartWaits).ConfigureAwait(false);
        await LabScenario.UntilAsync(
            () => survivor.Events.Any(printed => printed.Time >= back
                && (EventCode)printed.Code == EventCode.ArbiterUnknown
                && printed.Summary.Contains("fits no question", StringComparison.Ordinal)),
            $"{survivor.Name} does not ask the witness that has forgotten").ConfigureAwait(false);
        AssertNobodyBegan(at);
        Witness.Kill();
        Directory.Delete(state, recursive: true);
        Directory.Move(kept, state);
        await StartAsync().ConfigureAwait(false);
        await scenario.AnyAsync(at, survivor, EventCode.TookOver).ConfigureAwait(false);
        await scenario.AnyAsync(at, survivor, EventCode.PairEstablished).ConfigureAwait(false);
        await scenario.ServedAsync().ConfigureAwait(false);
    }

    private void AssertNobodyBegan(DateTimeOffset at)
    {
        EventCode[] alone = [EventCode.TookOver, EventCode.WentSolo, EventCode.TermWon, EventCode.GuestBooting];
        PrintedEvent? wrong = scenario.Cluster.Hosts.SelectMany(host => host.Events)
            .FirstOrDefault(printed => printed.Time >= at && alone.Contains((EventCode)printed.Code));
        if (wrong is not null)
        {
            throw new InvalidOperationException($"without the witness: {wrong.Host} {wrong.Name} {wrong.Summary}");
        }
    }

    private async Task StartAsync()
    {
        DateTimeOffset at = DateTimeOffset.UtcNow;
        Witness.Start();
        await Witness.WhenAsync(printed => printed.Code == (int)EventCode.NodeStarted, at)
            .WaitAsync(LabScenario.StepLimit).ConfigureAwait(false);
    }
}
