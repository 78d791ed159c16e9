using System.Diagnostics;
using System.Text.Json;

namespace Colo.EndToEnd.Node;

/// <summary>
/// One run of <c>colo lab-test</c>, shared by the tests of a class: a lab and a boot for all its faults. Each test asks
/// for the step of its name.
/// </summary>
public abstract class ScenarioRun : IAsyncLifetime
{
    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(9);

    private readonly string scenario;
    private readonly Dictionary<string, (bool Ok, string Seen)> steps = [];
    private string story = string.Empty;

    protected ScenarioRun(string scenario) => this.scenario = scenario;

    public void AssertStep(string name)
    {
        Assert.True(steps.TryGetValue(name, out (bool Ok, string Seen) step), $"'{name}' was not run\n{story}");
        Assert.True(step.Ok, $"{name}: {step.Seen}\n{story}");
    }

    public async Task InitializeAsync()
    {
        string folder = Directory.CreateTempSubdirectory("colo-e2e-").FullName;
        string json = Path.Combine(folder, "steps.json");
        try
        {
            string output = await RunAsync("lab-test", scenario, "--json", json, "--keep", folder);
            using JsonDocument report = JsonDocument.Parse(File.Exists(json) ? await File.ReadAllTextAsync(json) : "[]");
            foreach (JsonElement step in report.RootElement.EnumerateArray())
            {
                steps[step.GetProperty("name").GetString()!] = (step.GetProperty("ok").GetBoolean(), step.GetProperty("seen").GetString()!);
            }

            bool good = steps.Count > 0 && steps.Values.All(step => step.Ok);
            story = good ? output : $"{output}\n{Tails(folder)}";
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    public Task DisposeAsync() => Task.CompletedTask;

    private static async Task<string> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(LosingBothHostsTests.Program(), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        try
        {
            await process.WaitForExitAsync().WaitAsync(Hang);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
        }

        return await output + await errors;
    }

    private static string Tails(string folder) => string.Join('\n', Directory.GetFiles(folder, "*.log").Select(log =>
        $"--- {Path.GetFileName(log)}\n{string.Join('\n', File.ReadLines(log).TakeLast(60))}"));
}
