using System.Diagnostics;
using System.Globalization;
using Colo.Host.Configuration;

namespace Colo.Host.Node;

/// <summary>
/// Runs an operator's script on a transition, in a process of its own, and ends it at the time limit. Never waited for.
/// </summary>
internal static class HookProcess
{
    public static void Start(
        HookOptions hooks, string transition, string vm, long term, string detail, TimeProvider time,
        Action<string> log)
    {
        if (hooks.Scripts.TryGetValue(transition, out IReadOnlyList<string>? words))
        {
            _ = RunAsync(
                words, hooks.Timeout, [transition, vm, term.ToString(CultureInfo.InvariantCulture), detail], time, log);
        }
    }

    private static async Task RunAsync(
        IReadOnlyList<string> words, TimeSpan limit, string[] arguments, TimeProvider time, Action<string> log)
    {
        string script = words[0];
        arguments = [.. words.Skip(1), .. arguments];
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(script, arguments) { UseShellExecute = false })
                ?? throw new InvalidOperationException("it could not be started");
            try
            {
                await process.WaitForExitAsync().WaitAsync(limit, time).ConfigureAwait(false);
                if (process.ExitCode != 0)
                {
                    log($"hook {script} {string.Join(' ', arguments)} ended with {process.ExitCode}");
                }
            }
            catch (TimeoutException)
            {
                process.Kill(entireProcessTree: true);
                log($"hook {script} {string.Join(' ', arguments)} took longer than {limit.TotalSeconds} s and was ended");
            }
        }
        catch (Exception problem) when (problem is System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            log($"hook {script}: {problem.Message}");
        }
    }
}
