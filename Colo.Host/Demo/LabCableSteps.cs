using System.Globalization;

namespace Colo.Host.Demo;

/// <summary>
/// Faults that take nobody away: cables that are slow, lose, double or damage, links that are reset, hosts that hardly
/// get to work, clients that send too much. Clients are served all the time or right after, and the pair works
/// afterwards; whether it has been one all the time is asked only where nothing but the fault can have broken it.
/// </summary>
internal sealed class LabCableSteps(LabScenario scenario)
{
    private const int Attempts = 3;
    private const int DataPort = 7450;

    // How long faults last, not how long anything may take.
    private static readonly TimeSpan Clogged = TimeSpan.FromMilliseconds(150);
    private static readonly TimeSpan Open = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Stopped = TimeSpan.FromMilliseconds(60);
    private static readonly TimeSpan Running = TimeSpan.FromMilliseconds(20);

    /// <summary>Delays far below the time after which a host is lost, on a narrow cable, never change the owner
    /// (L2).</summary>
    public async Task SlowAsync()
    {
        var slow = new WireRule { DelayMs = 20, JitterMs = 20, BytesPerSecond = 20 << 20 };
        for (int attempt = 1; attempt <= Attempts; attempt++)
        {
            await scenario.PairedAsync().ConfigureAwait(false);
            DateTimeOffset at = DateTimeOffset.UtcNow;
            using (FaultyCable cable = await InsertAsync().ConfigureAwait(false))
            {
                await cable.SetAsync(slow).ConfigureAwait(false);
                await ServedInThisAsync().ConfigureAwait(false);
                await cable.SetAsync(new WireRule()).ConfigureAwait(false);
            }

            if (scenario.HasStayedPairSince(at, "the pair broke because the replication cable was slow"))
            {
                await scenario.ProvenPairAsync().ConfigureAwait(false);
                return;
            }
        }

        throw new InvalidOperationException($"{Attempts} times a host was taken for lost on a slow cable");
    }

    /// <summary>Frames are lost, come twice, too late or damaged; then nothing comes for a moment and all of it at
    /// once, again and again. TCP mends it at the price of time; what it cannot mend in time costs the pair.</summary>
    public Task BadAsync() => EndureAsync(async () =>
    {
        const int Bursts = 6;
        using FaultyCable cable = await InsertAsync().ConfigureAwait(false);
        await cable.SetAsync(
            new WireRule { LostPerMille = 10, DoubledPerMille = 10, LatePerMille = 20, DamagedPerMille = 5 })
            .ConfigureAwait(false);
        await ServedInThisAsync().ConfigureAwait(false);
        for (int burst = 0; burst < Bursts; burst++)
        {
            await cable.SetAsync(new WireRule { Clogged = true }).ConfigureAwait(false);
            await Task.Delay(Clogged).ConfigureAwait(false);
            await cable.SetAsync(new WireRule()).ConfigureAwait(false);
            await Task.Delay(Open).ConfigureAwait(false);
        }
    });

    /// <summary>Both cables between the hosts clog, one after the other, until the pair is no more; then what the old
    /// term had on its way comes all at once, in the order of another cable.</summary>
    public async Task ClogAllAsync()
    {
        string host = scenario.Primary.Name;
        using FaultyCable replication = await FaultyCable.InsertAsync(host, Cable.Replication).ConfigureAwait(false);
        using FaultyCable management = await FaultyCable.InsertAsync(host, Cable.Management).ConfigureAwait(false);
        await scenario.ServedAsync().ConfigureAwait(false);
        await scenario.LoseAsync(
            () => Set(new WireRule { Clogged = true }), () => Set(new WireRule()), survivor: null)
            .ConfigureAwait(false);

        void Set(WireRule rule)
        {
            replication.SetAsync(rule).GetAwaiter().GetResult();
            management.SetAsync(rule).GetAwaiter().GetResult();
        }
    }

    /// <summary>The kernel resets every connection between the hosts over the replication network, and what they had
    /// on their way is lost.</summary>
    public Task ResetAsync() => EndureAsync(async () =>
    {
        string peer = scenario.Lab.ReplicationAddress(scenario.Secondary.Name);
        string port = DataPort.ToString(CultureInfo.InvariantCulture);
        (int code, string ended) = await LabCluster.RunAsync(
            scenario.Primary.Name, "ss", "-H", "-K", "-t", "state", "established", "dst", peer, "dport", "=", port)
            .ConfigureAwait(false);
        if (code != 0 || !ended.Contains(peer, StringComparison.Ordinal))
        {
            throw new InvalidOperationException($"ss -K ended with {code} and reset nothing: {ended}");
        }

        await ServedInThisAsync().ConfigureAwait(false);
    });

    /// <summary>A host whose process gets to work only some of the time, in short pieces.</summary>
    public Task GrayAsync() => EndureAsync(async () =>
    {
        const int Pauses = 25;
        NodeProcess host = scenario.Secondary;
        for (int pause = 0; pause < Pauses; pause++)
        {
            host.Freeze(true);
            await Task.Delay(Stopped).ConfigureAwait(false);
            host.Freeze(false);
            await Task.Delay(Running).ConfigureAwait(false);
        }
    });

    /// <summary>More datagrams than the guest can take.</summary>
    public Task StormAsync() => EndureAsync(async () =>
    {
        const long PacketsPerSecond = 10_000;
        using var storm = new ClientProcess("storm", NetworkLab.GuestAddress, 0, PacketsPerSecond);
        await LabScenario.UntilAsync(() => storm.Last?.Bytes > PacketsPerSecond / 2, "the storm does not begin")
            .ConfigureAwait(false);
        await ServedInThisAsync().ConfigureAwait(false);
        if (storm.Ended.IsCompleted)
        {
            throw new InvalidOperationException($"the storm ended: {storm.Last?.Error}");
        }
    });

    /// <summary>The switch of the clients' network forgets everything.</summary>
    public Task SwitchRestartsAsync() => EndureAsync(async () =>
    {
        NetworkLab.RestartLan();
        await ServedInThisAsync().ConfigureAwait(false);
    });

    private async Task EndureAsync(Func<Task> fault)
    {
        await scenario.PairedAsync().ConfigureAwait(false);
        await fault().ConfigureAwait(false);
        await scenario.ServedAsync().ConfigureAwait(false);
        await scenario.ProvenPairAsync().ConfigureAwait(false);
        await scenario.ServedAsync().ConfigureAwait(false);
    }

    private Task<FaultyCable> InsertAsync() => FaultyCable.InsertAsync(scenario.Primary.Name, Cable.Replication);

    /// <summary>The first report may tell of what was before; so each client has to come forward twice.</summary>
    private async Task ServedInThisAsync()
    {
        await scenario.ServedAsync().ConfigureAwait(false);
        await scenario.ServedAsync().ConfigureAwait(false);
    }
}
