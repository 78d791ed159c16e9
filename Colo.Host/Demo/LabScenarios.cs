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
            LostAfter = TimeSpan.FromMilliseconds(1500),
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

    /// <summary>Each way to lose a host or its partner, and what only makes their life hard, under one download,
    /// requests, datagrams, and a client that uses its ports again and again.</summary>
    private static async Task FaultsAsync(LabScenario scenario)
    {
        var way = new LabLinkSteps(scenario);
        var cable = new LabCableSteps(scenario);
        var witness = new LabWitnessSteps(scenario);
        (string Name, Func<Task> Run)[] steps =
        [
            ("a client uses the same few ports again and again", () => scenario.StartClientsAsync(("ports", 0, 50))),
            ("one of two networks between the hosts is cut", way.CutOneOfTwoAsync),
            ("nobody but the clients reaches the primary", way.CutAllButLanAsync),
            ("nothing passes from the primary to the secondary", way.CutOneWayAsync),
            ("the hosts' own questions to the guest are lost", way.CutFromGuestAsync),
            ("the replication cable is slow", cable.SlowAsync),
            ("the replication cable loses, doubles, damages and clogs", cable.BadAsync),
            ("the connections between the hosts are reset", cable.ResetAsync),
            ("the secondary hardly gets to work", cable.GrayAsync),
            ("a client storms the guest", cable.StormAsync),
            ("the switch of the clients' network starts anew", cable.SwitchRestartsAsync),
            ("the secondary is killed", () => LoseAsync(scenario, scenario.Secondary, "kill", scenario.Primary)),
            ("the witness is killed", witness.KillAsync),
            ("the primary is killed", () => LoseAsync(scenario, scenario.Primary, "kill", scenario.Secondary)),
            ("the primary and the witness are killed, and the witness forgets", witness.ForgetAsync),
            ("the secondary is killed in a checkpoint", () => KillInCheckpointAsync(scenario, scenario.Secondary)),
            ("the primary is killed in a checkpoint", () => KillInCheckpointAsync(scenario, scenario.Primary)),
            ("the roles are exchanged under load", scenario.ExchangeAsync),
            ("the replication cable is pulled", () => PullAsync(scenario)),
            ("both cables between the hosts clog", cable.ClogAllAsync),
            ("the primary's LAN cable is pulled", () => PullLanAsync(scenario)),
            ("nothing passes between the hosts", () => scenario.LoseAsync(
                () => scenario.Lab.SetBetween("node-a", "node-b", passes: false),
                () => scenario.Lab.SetBetween("node-a", "node-b", passes: true), survivor: null)),
            ("the primary freezes", () => LoseAsync(scenario, scenario.Primary, "freeze", scenario.Secondary)),
            ("the primary loses its power", () => LoseAsync(scenario, scenario.Primary, "power", scenario.Secondary)),
        ];
        await scenario.BeginAsync(Web).ConfigureAwait(false);
        foreach ((string name, Func<Task> run) in steps)
        {
            await scenario.StepAsync(name, run).ConfigureAwait(false);
        }
    }

    private static Task PullAsync(LabScenario scenario)
    {
        string host = scenario.Primary.Name;
        return scenario.LoseAsync(
            () => NetworkLab.SetCable(host, Cable.Replication, plugged: false),
            () => NetworkLab.SetCable(host, Cable.Replication, plugged: true), survivor: null);
    }

    private static Task PullLanAsync(LabScenario scenario)
    {
        string host = string.Empty;
        return scenario.SwitchAsync(
            () =>
            {
                host = scenario.Primary.Name;
                NetworkLab.SetCable(host, Cable.Lan, plugged: false);
                return Task.CompletedTask;
            },
            () => NetworkLab.SetCable(host, Cable.Lan, plugged: true));
    }

    /// <summary>Each side is killed between two checkpoints and in one; then the primary at some moment of a
    /// checkpoint, again and again: first of checkpoints that were asked for, then of periodic ones; then a joiner
    /// while it is being filled.</summary>
    private static async Task CheckpointsAsync(LabScenario scenario)
    {
        await scenario.BeginAsync(Web).ConfigureAwait(false);
        await scenario.StepAsync(
            "the secondary is killed", () => LoseAsync(scenario, scenario.Secondary, "kill", scenario.Primary))
            .ConfigureAwait(false);
        await scenario.StepAsync(
            "the primary is killed", () => LoseAsync(scenario, scenario.Primary, "kill", scenario.Secondary))
            .ConfigureAwait(false);
        await scenario.StepAsync(
            "the secondary is killed in a checkpoint", () => KillInCheckpointAsync(scenario, scenario.Secondary))
            .ConfigureAwait(false);
        for (int round = 1; round <= CheckpointKills; round++)
        {
            bool periodic = round > ColoKills;
            await scenario.StepAsync(
                $"the primary is killed in a checkpoint, {round}",
                () => KillInCheckpointAsync(scenario, scenario.Primary, periodic)).ConfigureAwait(false);
        }

        await scenario.StepAsync("the joiner is killed while it is filled", scenario.LoseJoinerAsync)
            .ConfigureAwait(false);
    }

    private static async Task KillInCheckpointAsync(LabScenario scenario, NodeProcess host, bool periodic = false)
    {
        NodeProcess primary = scenario.Primary;
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
    }

    /// <summary>A counter in redis, where a write that was acknowledged and lost would show in the next
    /// answer.</summary>
    private static async Task RedisAsync(LabScenario scenario)
    {
        await scenario.BeginAsync(("redis", 0, 2)).ConfigureAwait(false);
        foreach (string name in (string[])["the primary is killed", "the other one is killed"])
        {
            await scenario.StepAsync(
                name, () => LoseAsync(scenario, scenario.Primary, "kill", scenario.Secondary)).ConfigureAwait(false);
        }
    }

    private static Task LoseAsync(LabScenario scenario, NodeProcess host, string fault, NodeProcess survivor) =>
        scenario.LoseAsync(() => LabFault.Strike(host, fault), () => LabFault.Restore(host, fault), survivor);
}
