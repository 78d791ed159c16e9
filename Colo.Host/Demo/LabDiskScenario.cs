using System.Globalization;
using System.Text.RegularExpressions;
using Colo.Actors.Protocol;

namespace Colo.Host.Demo;

/// <summary>
/// A guest with a replicated disk: records are acknowledged when they are fsynced, and whatever host the guest lives on
/// afterwards has them on its disk. The disk is looked at from outside, as a power cut would leave it. On the way the
/// guest reboots and panics, which is no failure of a host.
/// </summary>
internal sealed partial class LabDiskScenario(LabScenario scenario, LabVm vm)
{
    public const long DiskBytes = 64L << 20;

    private const int PauseMs = 20;

    private long acknowledged;

    public async Task RunAsync()
    {
        var operation = new LabOperatorSteps(scenario, Image);
        var faults = new LabDiskFaultSteps(scenario);
        await scenario.BeginAsync(("records", 0, PauseMs)).ConfigureAwait(false);
        await scenario.StepAsync("the comparer's decisions are told live", operation.ListenAsync).ConfigureAwait(false);
        await scenario.StepAsync("the primary's disk is slow", () => faults.SlowAsync()).ConfigureAwait(false);
        await scenario.StepAsync("writes to the primary's disk fail", () => faults.FailAsync()).ConfigureAwait(false);
        await scenario.StepAsync("the secondary is killed and its disk is lost", () => faults.LoseDiskAsync(Image))
            .ConfigureAwait(false);
        await LoseAsync("the primary is killed under writes").ConfigureAwait(false);
        await scenario.StepAsync("the joiner is killed while it is filled", async () =>
        {
            DateTimeOffset at = await scenario.LoseJoinerAsync().ConfigureAwait(false);
            await AssertIncrementalAsync(at, scenario.Primary).ConfigureAwait(false);
        }).ConfigureAwait(false);
        await scenario.StepAsync("the guest reboots", () => RestartAsync("reboot")).ConfigureAwait(false);
        await scenario.StepAsync("the mode is periodic and the roles are exchanged under writes", async () =>
        {
            await LabCluster.CommandAsync(scenario.Primary, "mode", LabVm.Name, "periodic").ConfigureAwait(false);
            await scenario.ExchangeAsync().ConfigureAwait(false);
        }).ConfigureAwait(false);
        await LoseAsync("the new primary is killed under writes").ConfigureAwait(false);
        await scenario.StepAsync("the guest panics", () => RestartAsync("panic")).ConfigureAwait(false);
        await scenario.StepAsync("both disks are equal", EqualAsync).ConfigureAwait(false);
        await scenario.StepAsync(
            "a changed byte of the secondary's disk is found", () => operation.CompareDisksAsync(DiskBytes))
            .ConfigureAwait(false);
        await scenario.StepAsync("a drill pauses the primary", () => operation.DrillAsync("pause"))
            .ConfigureAwait(false);
        await scenario.StepAsync("the guest is shut down on both", scenario.ShutDownAsync).ConfigureAwait(false);
        await scenario.StepAsync("the file system is clean and has every record", () =>
            LabDisk.AssertHasAsync(Image(scenario.Primary), acknowledged, scenario.Folder)).ConfigureAwait(false);
    }

    /// <summary>The same with one disk that both hosts open. A host that wakes up after it was given up is the worst
    /// that such a disk can meet.</summary>
    public async Task RunSharedAsync()
    {
        await scenario.BeginAsync(("records", 0, PauseMs)).ConfigureAwait(false);
        await LoseAsync("the primary is killed under writes").ConfigureAwait(false);
        await scenario.StepAsync("the primary freezes under writes, and wakes up", async () =>
        {
            await MoreRecordsAsync().ConfigureAwait(false);
            await scenario.PairedAsync().ConfigureAwait(false);
            NodeProcess victim = scenario.Primary;
            NodeProcess survivor = scenario.Secondary;
            await scenario.LoseAsync(() => victim.Freeze(true), () => victim.Freeze(false), survivor)
                .ConfigureAwait(false);
        }).ConfigureAwait(false);
        await scenario.StepAsync("the roles are exchanged under writes", scenario.ExchangeAsync).ConfigureAwait(false);
        await LoseAsync("the new primary is killed under writes").ConfigureAwait(false);
        await scenario.StepAsync("the guest is shut down on both", async () =>
        {
            acknowledged = Acknowledged();
            await AskAsync("sync", "60").ConfigureAwait(false);
            await scenario.ShutDownAsync().ConfigureAwait(false);
        }).ConfigureAwait(false);
        await scenario.StepAsync("the file system is clean and has every record", () =>
            LabDisk.AssertHasAsync(Image(scenario.Primary), acknowledged, scenario.Folder)).ConfigureAwait(false);
    }

    /// <summary>The primary is lost under writes; its survivor's disk stands alone; the pair becomes whole again by a
    /// copy of what differs.</summary>
    private Task LoseAsync(string step) => scenario.StepAsync(step, async () =>
    {
        await MoreRecordsAsync().ConfigureAwait(false);
        await scenario.PairedAsync().ConfigureAwait(false);
        NodeProcess victim = scenario.Primary;
        NodeProcess survivor = scenario.Secondary;
        DateTimeOffset at = DateTimeOffset.UtcNow;
        victim.Kill();
        await scenario.AnyAsync(at, survivor, EventCode.TookOver).ConfigureAwait(false);
        await scenario.AnyAsync(at, survivor, EventCode.DiskMerged).ConfigureAwait(false);
        await MoreRecordsAsync().ConfigureAwait(false);

        // Stopped, so that nobody writes while the image is copied; the client was told this much before.
        long told = Acknowledged();
        survivor.Freeze(true);
        try
        {
            await LabDisk.AssertHasAsync(Image(survivor), told, scenario.Folder).ConfigureAwait(false);
        }
        finally
        {
            survivor.Freeze(false);
        }

        await scenario.ServedAsync().ConfigureAwait(false);
        DateTimeOffset back = DateTimeOffset.UtcNow;
        victim.Start();
        await AssertIncrementalAsync(back, survivor).ConfigureAwait(false);
        await scenario.AnyAsync(back, survivor, EventCode.PairEstablished).ConfigureAwait(false);
        await scenario.ServedAsync().ConfigureAwait(false);
    });

    /// <summary>The host that came back has been compared where the bitmaps say that it may differ, and nowhere
    /// else.</summary>
    private async Task AssertIncrementalAsync(DateTimeOffset since, NodeProcess owner)
    {
        if (vm.SharedDisk)
        {
            return; // nothing is copied
        }

        (_, PrintedEvent done) = await scenario.AnyAsync(since, owner, EventCode.ResyncDone).ConfigureAwait(false);
        Match figures = Figures().Match(done.Summary);
        long compared = figures.Success
            ? long.Parse(figures.Groups[1].ValueSpan, CultureInfo.InvariantCulture)
            : DiskBytes;
        LabScenario.Say($"  {done.Summary}");
        if (compared > DiskBytes / 2)
        {
            throw new InvalidOperationException($"the disk was copied as if nothing were known of it: {done.Summary}");
        }
    }

    /// <summary>The guest starts anew on both hosts: a client sees another life of it, whoever asks it by ARP hears
    /// nothing for a while, and no host is taken for lost.</summary>
    private async Task RestartAsync(string order)
    {
        const int Attempts = 3;
        for (int attempt = 1; attempt <= Attempts; attempt++)
        {
            acknowledged = Acknowledged();
            scenario.EndClients();
            string before = await AskAsync("boot", "60").ConfigureAwait(false);
            DateTimeOffset at = DateTimeOffset.UtcNow;
            await AskAsync(order, "60").ConfigureAwait(false);
            await AnotherLifeAsync(order, before).ConfigureAwait(false);
            await scenario.StartClientsAsync(("records", acknowledged, PauseMs)).ConfigureAwait(false);
            await scenario.GuestTellsAsync(EventCode.GuestSilent, at).ConfigureAwait(false);
            await scenario.GuestTellsAsync(EventCode.GuestAnswers, at).ConfigureAwait(false);
            if (scenario.HasStayedPairSince(at, $"the guest's {order} was taken for a failure"))
            {
                return;
            }

            await scenario.PairedAsync().ConfigureAwait(false);
        }

        throw new InvalidOperationException($"{Attempts} times a host was taken for lost when the guest did '{order}'");
    }

    private static async Task AnotherLifeAsync(string order, string before)
    {
        DateTimeOffset limit = DateTimeOffset.UtcNow + LabScenario.StepLimit;
        for (string now = before; now == before || now.Length == 0;)
        {
            if (DateTimeOffset.UtcNow > limit)
            {
                throw new TimeoutException($"after '{order}' the guest did not answer from a new life");
            }

            await Task.Delay(200).ConfigureAwait(false);
            now = await BootAsync().ConfigureAwait(false);
        }
    }

    /// <summary>With nobody writing, the images of both hosts become byte for byte the same.</summary>
    private async Task EqualAsync()
    {
        acknowledged = Acknowledged();
        scenario.EndClients();
        await AskAsync("sync", "60").ConfigureAwait(false);
        DateTimeOffset limit = DateTimeOffset.UtcNow + LabScenario.StepLimit;
        while (!await LabDisk.AreEqualAsync(Image(scenario.Primary), Image(scenario.Secondary)).ConfigureAwait(false))
        {
            if (DateTimeOffset.UtcNow > limit)
            {
                throw new TimeoutException("the two disks do not become equal");
            }

            await Task.Delay(500).ConfigureAwait(false);
        }
    }

    private Task MoreRecordsAsync()
    {
        long enough = Acknowledged() + 10;
        return LabScenario.UntilAsync(() => Acknowledged() >= enough, "no more records are acknowledged");
    }

    private long Acknowledged() =>
        Math.Max(acknowledged, scenario.FirstRecord + (scenario.LastReport("records")?.Bytes ?? 0));

    private string Image(NodeProcess host) => vm.DiskPath(scenario.Folder, host.Name);

    /// <summary>Names the guest's present life; empty while it does not answer.</summary>
    private static Task<string> BootAsync() => AskAsync("boot", "5");

    /// <param name="seconds">How long to wait for the answer.</param>
    private static async Task<string> AskAsync(string order, string seconds)
    {
        (int code, string output) = await LabCluster.RunAsync(
            NetworkLab.Client, "curl", "--silent", "--max-time", seconds,
            $"http://{NetworkLab.GuestAddress}/cgi-bin/order?{order}").ConfigureAwait(false);
        return code == 0 ? output.Trim() : string.Empty;
    }

    [GeneratedRegex(@"disk: (\d+) of \d+ bytes compared")]
    private static partial Regex Figures();
}
