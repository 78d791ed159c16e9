using System.CommandLine;
using Colo.Host.Demo;

namespace Colo.Host.Cli;

/// <summary>Commands for those who measure and test: <c>colo bench-ha</c>, which <c>./colo bench ha</c> starts, and
/// <c>colo lab-test</c>.</summary>
internal static class LabCommands
{
    private static readonly Option<string?> Json = new("--json") { Description = "Write the figures to this file" };
    private static readonly Option<string?> Keep = new("--keep") { Description = "Keep logs and configurations in this folder" };
    private static readonly Option<int> Seconds = new("--seconds")
    {
        Description = "Time for each measurement",
        DefaultValueFactory = _ => 10,
    };

    private static readonly Option<int> Faults = new("--faults")
    {
        Description = "Losses of the primary of each kind, 0 to leave them out",
        DefaultValueFactory = _ => 20,
    };

    private static readonly Option<string[]> Only = new("--only")
    {
        Description = "Leave out the other parts",
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => HaBench.Parts,
    };

    static LabCommands() => Only.AcceptOnlyFromAmong(HaBench.Parts);

    public static Command BuildBench()
    {
        var bench = new Command("bench-ha", "Measure what protection costs, and how long a takeover takes")
        {
            Json, Keep, Seconds, Faults, Only,
        };
        bench.SetAction((parsed, _) => IsolatedAsync("bench-ha", async () =>
        {
            using var measure = new HaBench(
                parsed.GetValue(Seconds), parsed.GetValue(Faults), parsed.GetValue(Only)!, parsed.GetValue(Json), parsed.GetValue(Keep));
            return await measure.RunAsync().ConfigureAwait(false);
        }));
        return bench;
    }

    /// <summary>Runs a command's work in namespaces of its own; what goes wrong is one line on standard
    /// error.</summary>
    /// <returns>An <see cref="ExitCode"/>, or 128 and the number of the signal that ended it.</returns>
    public static async Task<int> IsolatedAsync(string name, Func<Task<int>> work)
    {
        try
        {
            return Isolation.IsInside
                ? await Isolation.GuardAsync(work).ConfigureAwait(false)
                : Isolation.RunSelf(Environment.GetCommandLineArgs().Skip(1));
        }
        catch (Exception problem) when (problem is TimeoutException or InvalidOperationException or IOException
            or System.ComponentModel.Win32Exception or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync($"colo {name}: {problem.Message}").ConfigureAwait(false);
            return ExitCode.Failed;
        }
    }

    /// <summary>The hidden <c>colo lab-test SCENARIO</c>: faults one after another, judged by clients;
    /// tests/EndToEnd/Node runs it.</summary>
    public static Command BuildTest()
    {
        var scenario = new Argument<string>("scenario");
        scenario.AcceptOnlyFromAmong(LabScenarios.Names);
        var test = new Command("lab-test", "Faults one after another, judged by clients") { scenario, Json, Keep };
        test.Hidden = true;
        test.SetAction((parsed, _) => IsolatedAsync("lab-test", () =>
            LabScenarios.RunAsync(parsed.GetValue(scenario)!, parsed.GetValue(Json), parsed.GetValue(Keep))));
        return test;
    }
}
