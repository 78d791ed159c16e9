using Colo.Actors.Protocol;

namespace Colo.Host.Demo;

/// <summary>The scenarios of <c>colo lab-test</c>; the names of their steps are what tests/EndToEnd/Node asks
/// for.</summary>
internal static class LabScenarios
{
    public static readonly string[] Names = ["faults", "checkpoints", "redis", "disk", "shared-disk"];

    private const int CheckpointKills = 10;

    /// <summary>So many of them of checkpoints that were asked for in mode colo.</summary>
    private const int ColoKills = 3;

    private static readonly (string, long, long)[] Web =
        [("download", 1L << 40, 256 << 10), ("requests", 0, 10), ("echo", 0, 10)];

    public static async Task<int> RunAsync(string name, string? json, string? keep)
    {
        var vm = new LabVm
        {
            Gateway = name == "faults",
            Channels = name == "checkpoints" ? 4 : 1,
            FileSystem = name is "disk" or "shared-disk",
            DiskBytes = name is "disk" or "shared-disk" ? LabDiskScenario.DiskBytes : 0,
            SharedDisk = name == "shared-disk",
            Check = name switch { "disk" => "arp", "faults" => "icmp", _ => string.Empty },
            Drills = name == "disk",
            Guest = name == "redis" ? "debian-redis" : "debian",
        };
        using var scenario = new LabScenario(vm, keep);
        await (name switch
        {
            "checkpoints" => CheckpointsAsync(scenario),
            "redis" => RedisAsync(scenario),
            "disk" => new LabDiskScenario(scenario, vm).RunAsync(),
            "shared-disk" => new LabDiskScenario(scenario, vm).RunSharedAsync(),
            _ => FaultsAsync(scenario),
        }).ConfigureAwait(false);
        return scenario.Conclude(json);
    }

    /// <summary>Each way to lose a host or its partner, under one download, requests and datagrams.</summary>
    private static async Task FaultsAsync(LabScenario scenario)
    {
        var way = new LabLinkSteps(scenario);
        await scenario.BeginAsync(Web).ConfigureAwait(false);
        await scenario.StepAsync("one of two networks between the hosts is cut", way.CutOneOfTwoAsync)
            .ConfigureAwait(false);
        await scenario.StepAsync("nobody but the clients reaches the primary", way.CutAllButLanAsync)
            .ConfigureAwait(false);
        await scenario.StepAsync("nothing passes from the primary to the secondary", way.CutOneWayAsync)
            .ConfigureAwait(false);
        await scenario.StepAsync("the hosts' own questions to the guest are lost", way.CutFromGuestAsync)
            .ConfigureAwait(false);
        await LoseAsync(scenario, "the secondary is killed", () => scenario.Secondary, "kill", () => scenario.Primary)
            .ConfigureAwait(false);
        await LoseAsync(scenario, "the primary is killed", () => scenario.Primary, "kill", () => scenario.Secondary)
            .ConfigureAwait(false);
        await KillInCheckpointAsync(scenario, "the secondary is killed in a checkpoint", () => scenario.Secondary)
            .ConfigureAwait(false);
        await KillInCheckpointAsync(scenario, "the primary is killed in a checkpoint", () => scenario.Primary)
            .ConfigureAwait(false);
        await scenario.StepAsync("the roles are exchanged under load", () => scenario.SwitchAsync(
            () => LabCluster.CommandAsync(scenario.Primary, "switchover", LabVm.Name).GetAwaiter().GetResult(), () => { })).ConfigureAwait(false);
        await Cut("the replication cable is pulled", Cable.Replication).ConfigureAwait(false);
        await scenario.StepAsync("the primary's LAN cable is pulled", () =>
        {
            string host = scenario.Primary.Name;
            return scenario.SwitchAsync(
                () => NetworkLab.SetCable(host, Cable.Lan, plugged: false), () => NetworkLab.SetCable(host, Cable.Lan, plugged: true));
        }).ConfigureAwait(false);
        await scenario.StepAsync("nothing passes between the hosts", () => scenario.LoseAsync(
            () => scenario.Lab.SetBetween("node-a", "node-b", passes: false),
            () => scenario.Lab.SetBetween("node-a", "node-b", passes: true), survivor: null)).ConfigureAwait(false);
        await LoseAsync(scenario, "the primary freezes", () => scenario.Primary, "freeze", () => scenario.Secondary).ConfigureAwait(false);
        await LoseAsync(scenario, "the primary loses its power", () => scenario.Primary, "power", () => scenario.Secondary).ConfigureAwait(false);

        Task Cut(string step, Cable cable) => scenario.StepAsync(step, () =>
        {
            string host = scenario.Primary.Name;
            return scenario.LoseAsync(
                () => NetworkLab.SetCable(host, cable, plugged: false), () => NetworkLab.SetCable(host, cable, plugged: true), survivor: null);
        });
    }

    /// <summary>Each side is killed between two checkpoints and in one; then the primary at some moment of a
    /// checkpoint, again and again: first of checkpoints that were asked for, then of periodic ones; then a joiner
    /// while it is being filled.</summary>
    private static async Task CheckpointsAsync(LabScenario scenario)
    {
        await scenario.BeginAsync(Web).ConfigureAwait(false);
        await LoseAsync(scenario, "the secondary is killed", () => scenario.Secondary, "kill", () => scenario.Primary)
            .ConfigureAwait(false);
        await LoseAsync(scenario, "the primary is killed", () => scenario.Primary, "kill", () => scenario.Secondary)
            .ConfigureAwait(false);
        await KillInCheckpointAsync(scenario, "the secondary is killed in a checkpoint", () => scenario.Secondary)
            .ConfigureAwait(false);
        for (int round = 1; round <= CheckpointKills; round++)
        {
            await KillInCheckpointAsync(
                scenario, $"the primary is killed in a checkpoint, {round}", () => scenario.Primary,
                periodic: round > ColoKills).ConfigureAwait(false);
        }

        await scenario.StepAsync("the joiner is killed while it is filled", scenario.LoseJoinerAsync)
            .ConfigureAwait(false);
    }

    private static Task KillInCheckpointAsync(
        LabScenario scenario, string step, Func<NodeProcess> victim, bool periodic = false) => scenario.StepAsync(
        step, async () =>
    {
        NodeProcess primary = scenario.Primary;
        NodeProcess host = victim();
        NodeProcess survivor = scenario.Cluster.Other(host);
        if (periodic)
        {
            await LabCluster.CommandAsync(primary, "mode", LabVm.Name, "periodic").ConfigureAwait(false);
        }

        DateTimeOffset at = DateTimeOffset.UtcNow;
        // Its host may be killed before the order is answered.
        Task order = periodic
            ? Task.CompletedTask
            : LabCluster.RunAsync(primary.Name, Environment.ProcessPath!, "checkpoint", "now", LabVm.Name);
        await scenario.AnyAsync(at, primary, EventCode.CheckpointRequested).ConfigureAwait(false);
        await Task.Delay(Random.Shared.Next(0, 25)).ConfigureAwait(false);
        await scenario.LoseAsync(host.Kill, host.Start, survivor).ConfigureAwait(false);
        await order.ConfigureAwait(false);
    });

    /// <summary>A counter in redis, where a write that was acknowledged and lost would show in the next
    /// answer.</summary>
    private static async Task RedisAsync(LabScenario scenario)
    {
        await scenario.BeginAsync(("redis", 0, 2)).ConfigureAwait(false);
        await LoseAsync(scenario, "the primary is killed", () => scenario.Primary, "kill", () => scenario.Secondary)
            .ConfigureAwait(false);
        await LoseAsync(scenario, "the other one is killed", () => scenario.Primary, "kill", () => scenario.Secondary).ConfigureAwait(false);
    }

    private static Task LoseAsync(
        LabScenario scenario, string step, Func<NodeProcess> victim, string fault, Func<NodeProcess> survivor) => scenario.StepAsync(step, () =>
    {
        NodeProcess host = victim();
        return scenario.LoseAsync(() => LabFault.Strike(host, fault), () => LabFault.Restore(host, fault), survivor());
    });
}
