using Colo.Actors.Protocol;

namespace Colo.Host.Demo;

/// <summary>What disks suffer: on the owner's node by its own <c>colo fault</c>, or by somebody who takes the disk
/// away.</summary>
internal sealed class LabDiskFaultSteps(LabScenario scenario)
{
    /// <summary>Every request of the primary's disk takes longer: records are acknowledged more slowly.</summary>
    public async Task SlowAsync()
    {
        DateTimeOffset at = DateTimeOffset.UtcNow;
        NodeProcess host = await InjectAsync("F21", "--latency", "30ms").ConfigureAwait(false);
        await scenario.ServedAsync().ConfigureAwait(false);
        await scenario.ServedAsync().ConfigureAwait(false);
        await ClearAsync(host, at).ConfigureAwait(false);
        await scenario.ProvenPairAsync().ConfigureAwait(false);
        await scenario.ServedAsync().ConfigureAwait(false);
    }

    /// <summary>The guest's writes fail on the primary: the secondary, whose disk works, has the guest then, and no
    /// record is refused.</summary>
    public async Task FailAsync()
    {
        DateTimeOffset at = DateTimeOffset.UtcNow;
        NodeProcess host = await InjectAsync("F20").ConfigureAwait(false);
        await scenario.AnyAsync(at, host, EventCode.LocalDiskError).ConfigureAwait(false);
        await scenario.AnyAsync(at, scenario.Cluster.Other(host), EventCode.TookOver).ConfigureAwait(false);
        await scenario.ServedAsync().ConfigureAwait(false);
        await ClearAsync(host, at).ConfigureAwait(false);
        await scenario.ProvenPairAsync().ConfigureAwait(false);
        await scenario.ServedAsync().ConfigureAwait(false);
    }

    /// <summary>The secondary comes back with an empty disk and without what it remembers: it gets everything
    /// anew.</summary>
    public async Task LoseDiskAsync(Func<NodeProcess, string> image)
    {
        await scenario.PairedAsync().ConfigureAwait(false);
        NodeProcess owner = scenario.Primary;
        NodeProcess host = scenario.Secondary;
        DateTimeOffset at = DateTimeOffset.UtcNow;
        host.Kill();
        await scenario.AnyAsync(at, owner, EventCode.WentSolo).ConfigureAwait(false);
        long size = new FileInfo(image(host)).Length;
        foreach (string file in Directory.GetFiles(scenario.Folder, Path.GetFileName(image(host)) + "*"))
        {
            File.Delete(file);
        }

        await using (FileStream empty = File.Create(image(host)))
        {
            empty.SetLength(size);
        }

        Directory.Delete(Path.Combine(scenario.Folder, host.Name + ".state"), recursive: true);
        await scenario.ServedAsync().ConfigureAwait(false);
        at = DateTimeOffset.UtcNow;
        host.Start();
        await scenario.AnyAsync(at, owner, EventCode.PairEstablished).ConfigureAwait(false);
        await scenario.ServedAsync().ConfigureAwait(false);
    }

    /// <summary>Gives the order to the host that owns the guest; on a busy machine that may have become the
    /// other.</summary>
    private async Task<NodeProcess> InjectAsync(string fault, params string[] more)
    {
        await scenario.PairedAsync().ConfigureAwait(false);
        NodeProcess host = scenario.Primary;
        await LabCluster.CommandAsync(
            host, ["fault", "inject", fault, "--vm", LabVm.Name, "--for", "10m", "--yes", .. more]).ConfigureAwait(false);
        return host;
    }

    private static async Task ClearAsync(NodeProcess host, DateTimeOffset since)
    {
        await LabCluster.CommandAsync(host, "fault", "clear").ConfigureAwait(false);
        await host.WhenAsync(printed => printed.Code == (int)EventCode.FaultEnded, since)
            .WaitAsync(LabScenario.StepLimit).ConfigureAwait(false);
    }
}
