using System.Diagnostics;
using System.Globalization;

namespace Colo.EndToEnd.Node;

/// <summary>A demo that is interrupted leaves nothing behind: no process, no file, and an exit code that says how it
/// ended.</summary>
[Trait("Category", "e2e")]
[Trait("Group", "guest")]
public sealed class InterruptTests
{
    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(4);

    [Theory]
    [InlineData("INT", "building a network", 130)]
    [InlineData("TERM", "Debian boots on", 143)]
    [InlineData("KILL", "starting three nodes", 137)]
    public async Task A_demo_that_gets_a_signal_leaves_nothing_behind(string signal, string when, int code)
    {
        string folder = Directory.CreateTempSubdirectory("colo-e2e-").FullName;
        try
        {
            // Tests that run in the background of a shell have SIGINT ignored, and their processes would as well.
            var start = new ProcessStartInfo("env", ["--default-signal", LosingBothHostsTests.Program(), "demo"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false,
            };
            start.Environment["TMPDIR"] = folder;
            using Process process = Process.Start(start)!;
            // When the demo itself is killed the others still hold its standard error.
            process.BeginErrorReadLine();
            await SaysAsync(process.StandardOutput, when).WaitAsync(Hang);
            string id = process.Id.ToString(CultureInfo.InvariantCulture);
            using (Process kill = Process.Start("kill", [$"-{signal}", id]))
            {
                await kill.WaitForExitAsync();
            }

            _ = process.StandardOutput.ReadToEndAsync();
            Assert.True(SpinWait.SpinUntil(() => process.HasExited, Hang), "the demo did not end");
            Assert.Equal(code, process.ExitCode);
            // Killed, it could not wait for the rest; otherwise nothing is left when it has ended.
            TimeSpan rest = signal == "KILL" ? Hang : TimeSpan.Zero;
            Assert.True(
                SpinWait.SpinUntil(() => !Left(folder).Any(), rest), $"left: {string.Join(", ", Left(folder))}");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task SaysAsync(StreamReader output, string words)
    {
        string said = string.Empty;
        while (await output.ReadLineAsync() is { } line)
        {
            said += line + "\n";
            if (line.Contains(words, StringComparison.Ordinal))
            {
                return;
            }
        }

        Assert.Fail($"the demo ended before it said '{words}':\n{said}");
    }

    /// <summary>What the demo has put into the folder (the runtime's own pipes of a killed process stay there), and
    /// processes that were started with a file of it.</summary>
    private static IEnumerable<string> Left(string folder)
    {
        foreach (string file in Directory.EnumerateFileSystemEntries(folder, "colo-*"))
        {
            yield return file;
        }

        foreach (string process in Directory.EnumerateDirectories("/proc"))
        {
            string line = string.Empty;
            try
            {
                line = File.ReadAllText(Path.Combine(process, "cmdline")).Replace('\0', ' ');
            }
            catch (IOException)
            {
                // Not a process, or one that has just ended.
            }

            if (line.Contains(folder, StringComparison.Ordinal))
            {
                yield return line;
            }
        }
    }
}
