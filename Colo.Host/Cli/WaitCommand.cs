using System.CommandLine;
using System.Diagnostics;
using Colo.Host.Node;

namespace Colo.Host.Cli;

/// <summary>The command <c>colo wait</c>, for scripts: returns when a VM is as wanted, or after the time-out with code
/// 4.</summary>
internal static class WaitCommand
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(200);

    private static readonly Argument<string> Vm = new("VM") { Description = "The VM's name" };
    private static readonly Option<string> For = new("--for") { Description = "protected, solo, primary or secondary", Required = true };
    private static readonly Option<string> Limit = new("--timeout") { Description = "How long to wait", DefaultValueFactory = _ => "60s" };

    public static Command Build() => ClientCommand.Online(
        "wait", "Wait until a VM is protected, or has a role on this node", RunAsync, Vm, For, Limit);

    private static async Task<int> RunAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        string vm = parsed.GetValue(Vm)!;
        string role = parsed.GetValue(For)!;
        if (role is not ("protected" or "solo" or "primary" or "secondary"))
        {
            throw new CommandLineException($"--for {role}: expected protected, solo, primary or secondary");
        }

        TimeSpan limit = OptionDuration.Parse("--timeout", parsed.GetValue(Limit)!);
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            ClientException failure;
            try
            {
                (bool holds, VmView view) = await context.Node.IsAsync(vm, role, cancellation).ConfigureAwait(false);
                if (holds)
                {
                    Report(context, view, role, Stopwatch.GetElapsedTime(start));
                    return ExitCode.Done;
                }

                failure = new ClientException(
                    ExitCode.TimedOut,
                    $"{vm} is not {role} after {limit.TotalSeconds} s: {view.Protection}, {view.Role}, {view.State}"
                    + (view.WaitsFor.Length > 0 ? $", waits for {view.WaitsFor}" : string.Empty));
            }
            catch (ClientException e) when (e.ExitCode == ExitCode.Unreachable)
            {
                // The node may be starting.
                failure = e;
            }

            if (Stopwatch.GetElapsedTime(start) >= limit)
            {
                throw failure;
            }

            await Task.Delay(Period, cancellation).ConfigureAwait(false);
        }
    }

    private static void Report(ClientContext context, VmView vm, string role, TimeSpan waited)
    {
        if (context.Json)
        {
            context.WriteJson(new { version = 1, waitedSeconds = waited.TotalSeconds, vm });
        }
        else
        {
            context.Output.WriteLine($"{vm.Name} is {role} after {waited.TotalSeconds:0.0} s");
        }
    }
}
