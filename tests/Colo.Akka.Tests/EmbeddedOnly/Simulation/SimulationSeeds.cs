using System.Globalization;
using System.Runtime.CompilerServices;
using Akka.Simulation;
using Xunit.Abstractions;

namespace Colo.Akka.Tests.EmbeddedOnly.Simulation;

/// <summary>
/// Runs a scenario over many seeds. <c>COLO_SIMULATION_SEED=N</c> in the environment runs that one, with its story;
/// <c>COLO_SIMULATION_SEEDS=N</c> runs the first N instead of the usual number.
/// </summary>
internal static class SimulationSeeds
{
    internal static void Check(
        ITestOutputHelper output, int count, Action<SimulationWorld> scenario, SimulationOptions? options = null,
        [CallerFilePath] string file = "", [CallerMemberName] string test = "")
    {
        var name = $"{Path.GetFileNameWithoutExtension(file)}.{test}";
        options = (options ?? new SimulationOptions()) with
        {
            ReplayCommand = $"COLO_SIMULATION_SEED={{0}} dotnet test tests/Colo.Akka.Tests --filter FullyQualifiedName~{name}",
        };
        if (Environment.GetEnvironmentVariable("COLO_SIMULATION_SEED") is { Length: > 0 } text)
        {
            Replay(output, ulong.Parse(text, CultureInfo.InvariantCulture), scenario, options);
            return;
        }

        if (Environment.GetEnvironmentVariable("COLO_SIMULATION_SEEDS") is { Length: > 0 } number)
        {
            count = int.Parse(number, CultureInfo.InvariantCulture);
        }

        output.WriteLine($"{name}: seeds 1 to {count}");
        for (var seed = 1UL; seed <= (ulong)count; seed++)
        {
            var result = SimulationWorld.Run(seed, scenario, options);
            Assert.True(result.Passed, result.ToString());
            if (seed <= 3)
            {
                Assert.Equal(result.Hash, SimulationWorld.Run(seed, scenario, options).Hash);
            }
        }
    }

    private static void Replay(
        ITestOutputHelper output, ulong seed, Action<SimulationWorld> scenario, SimulationOptions options)
    {
        var story = new StringWriter(CultureInfo.InvariantCulture);
        var result = SimulationWorld.Run(seed, scenario, options with { Story = story });
        var file = Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"colo-simulation-{seed}.txt"));
        File.WriteAllText(file, story.ToString());
        output.WriteLine($"{result}\nthe story is in {file}");
        Assert.True(result.Passed, result.ToString());
    }
}
