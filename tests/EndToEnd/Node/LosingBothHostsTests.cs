using System.Diagnostics;
using System.Text.Json;

namespace Colo.EndToEnd.Node;

/// <summary>
/// The main job with real processes: two nodes and a witness in namespaces, a Debian guest, two clients; the primary is
/// lost, comes back, and then the other one is lost. Everything is judged from the client's side.
/// </summary>
[Trait("Category", "e2e")]
[Trait("Group", "guest")]
public sealed class LosingBothHostsTests
{
    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(9);

    [Theory]
    [InlineData("colo", "kill", "http")]
    [InlineData("periodic", "cable", "http")]
    [InlineData("auto", "freeze", "redis")]
    public async Task A_download_survives_the_loss_of_either_host(string mode, string fault, string workload)
    {
        string folder = Directory.CreateTempSubdirectory("colo-e2e-").FullName;
        string json = Path.Combine(folder, "report.json");
        try
        {
            (int code, string output) = await RunAsync(
                "demo", "--mode", mode, "--fault", fault, "--workload", workload, "--json", json, "--keep", folder);

            Assert.True(code == 0, $"exit code {code}\n{output}\n{Tails(folder)}");
            using JsonDocument report = JsonDocument.Parse(await File.ReadAllTextAsync(json));
            JsonElement root = report.RootElement;
            Assert.True(root.GetProperty("connectionSurvived").GetBoolean());
            Assert.True(root.GetProperty("hashOk").GetBoolean());
            Assert.Equal(24L << 20, root.GetProperty("bytes").GetInt64());
            // The primary each time; on a busy machine that may have become the same host twice.
            Assert.Equal(2, root.GetProperty("faults").GetArrayLength());
            Assert.Equal(2, root.GetProperty("gapMs").GetArrayLength());
            Assert.All(
                (string[])["detectMs", "takeoverMs", "reprotectMs"],
                field => Assert.True(root.GetProperty(field).GetDouble() > 0));
            Assert.True(root.GetProperty("checkpoints").GetInt64() >= root.GetProperty("mismatches").GetInt64());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(int Code, string Output)> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(Program(), arguments)
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
            throw new TimeoutException($"the demo did not end within {Hang.TotalMinutes} minutes: {await output}");
        }

        return (process.ExitCode, await output + await errors);
    }

    /// <summary>The program that was built beside these tests, in the same configuration.</summary>
    internal static string Program()
    {
        var here = new DirectoryInfo(AppContext.BaseDirectory);
        string configuration = here.Parent!.Name;
        for (DirectoryInfo? folder = here; folder is not null; folder = folder.Parent)
        {
            string program = Path.Combine(folder.FullName, "Colo.Host", "bin", configuration, "net10.0", "colo");
            if (File.Exists(program))
            {
                return program;
            }
        }

        throw new FileNotFoundException($"Colo.Host is not built in configuration {configuration}");
    }

    private static string Tails(string folder) => string.Join('\n', Directory.GetFiles(folder, "*.log").Select(log =>
        $"--- {Path.GetFileName(log)}\n{string.Join('\n', File.ReadLines(log).TakeLast(40))}"));
}
