namespace Colo.Host.Demo;

/// <summary>The scenarios of <c>colo lab-test</c>; the names of their steps are what tests/EndToEnd/Node asks for.</summary>
internal static class LabScenarios
{
    public static readonly string[] Names = ["faults"];

    private static readonly (string, long)[] Web = [("download", 256 << 10), ("requests", 10)];

    public static async Task<int> RunAsync(string name, string? json, string? keep)
    {
        using LabScenario scenario = name switch
        {
            _ => new LabScenario(new LabVm { Gateway = true }, keep),
        };
        await (name switch
        {
            _ => FaultsAsync(scenario),
        }).ConfigureAwait(false);
        return scenario.Conclude(json);
    }

    /// <summary>Each way to lose a host or its partner, under one download, requests and datagrams.</summary>
    private static async Task FaultsAsync(LabScenario scenario)
    {
        await scenario.BeginAsync(Web).ConfigureAwait(false);
        await Lose("the secondary is killed", () => scenario.Secondary, "kill", () => scenario.Primary).ConfigureAwait(false);
        await Lose("the primary is killed", () => scenario.Primary, "kill", () => scenario.Secondary).ConfigureAwait(false);
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
        await Lose("the primary freezes", () => scenario.Primary, "freeze", () => scenario.Secondary).ConfigureAwait(false);
        await Lose("the primary loses its power", () => scenario.Primary, "power", () => scenario.Secondary).ConfigureAwait(false);

        Task Lose(string step, Func<NodeProcess> victim, string fault, Func<NodeProcess> survivor) => scenario.StepAsync(step, () =>
        {
            NodeProcess host = victim();
            return scenario.LoseAsync(() => LabFault.Strike(host, fault), () => LabFault.Restore(host, fault), survivor());
        });

        Task Cut(string step, Cable cable) => scenario.StepAsync(step, () =>
        {
            string host = scenario.Primary.Name;
            return scenario.LoseAsync(
                () => NetworkLab.SetCable(host, cable, plugged: false), () => NetworkLab.SetCable(host, cable, plugged: true), survivor: null);
        });
    }
}
