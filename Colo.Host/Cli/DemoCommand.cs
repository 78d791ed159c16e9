using System.CommandLine;
using Colo.Host.Demo;

namespace Colo.Host.Cli;

/// <summary>The commands <c>colo demo</c> and <c>colo lab-client</c>, which the demo starts for itself.</summary>
internal static class DemoCommand
{
    private static readonly Option<string> Mode = Choice("--mode", "How the answers are made safe", "colo", "periodic", "auto");
    private static readonly Option<string> Fault = Choice("--fault", "What the hosts suffer", "kill", "cable", "freeze", "power");
    private static readonly Option<string> Workload = Choice("--workload", "What the second client does", "http", "redis");
    private static readonly Option<string?> Json = new("--json") { Description = "Write the report to this file" };
    private static readonly Option<string?> Keep = new("--keep") { Description = "Keep logs and configurations in this folder" };

    public static Command Build()
    {
        var demo = new Command("demo", "Show a guest that survives the loss of either host") { Mode, Fault, Workload, Json, Keep };
        demo.SetAction((parsed, _) => LabCommands.IsolatedAsync("demo", async () =>
        {
            var options = new DemoOptions(
                parsed.GetValue(Mode)!, parsed.GetValue(Fault)!, parsed.GetValue(Workload)!, parsed.GetValue(Json), parsed.GetValue(Keep));
            using var script = new DemoScript(options);
            return await script.RunAsync().ConfigureAwait(false);
        }));
        return demo;
    }

    public static Command BuildClient()
    {
        var kind = new Argument<string>("kind");
        var address = new Argument<string>("address");
        var amount = new Argument<long>("amount");
        var rate = new Argument<long>("rate");
        var client = new Command("lab-client", "A client of the demo's guest") { kind, address, amount, rate };
        client.Hidden = true;
        client.SetAction(parsed => LabClient.Run(
            parsed.GetValue(kind)!, parsed.GetValue(address)!, parsed.GetValue(amount), parsed.GetValue(rate)));
        return client;
    }

    /// <summary>The hidden <c>colo lab-wire</c>.</summary>
    public static Command BuildWire()
    {
        var near = new Argument<string>("near");
        var far = new Argument<string>("far");
        var wire = new Command("lab-wire", "A cable that treats frames badly") { near, far };
        wire.Hidden = true;
        wire.SetAction(parsed => LabWire.Run(parsed.GetValue(near)!, parsed.GetValue(far)!));
        return wire;
    }

    private static Option<string> Choice(string name, string description, params string[] values)
    {
        var option = new Option<string>(name)
        {
            Description = $"{description}: {string.Join(", ", values)}",
            DefaultValueFactory = _ => values[0],
        };
        option.AcceptOnlyFromAmong(values);
        return option;
    }
}
