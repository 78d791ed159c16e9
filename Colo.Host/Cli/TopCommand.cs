using System.CommandLine;
using System.Diagnostics;
using Colo.Actors.Vm;
using Colo.Host.Node;
using Spectre.Console;

namespace Colo.Host.Cli;

/// <summary>The command <c>colo top</c>: rates of the node's VMs, once a second.</summary>
internal static class TopCommand
{
    private static readonly IReadOnlyList<string> Headings =
        ["VM", "PROTECTION", "ROLE", "CKPT/S", "PAUSE", "MATCHED/S", "COMMITTED/S", "HELD/S", "MISMATCH/S"];

    private static readonly Option<string> Interval = new("--interval") { Description = "Time between two readings", DefaultValueFactory = _ => "1s" };
    private static readonly Option<int?> Count = new("--count") { Description = "End after so many readings" };

    public static Command Build() => ClientCommand.Online("top", "Live table of the node's VMs", RunAsync, Interval, Count);

    private static async Task<int> RunAsync(ParseResult parsed, ClientContext context, CancellationToken cancellation)
    {
        TimeSpan interval = OptionDuration.Parse("--interval", parsed.GetValue(Interval)!);
        int count = parsed.GetValue(Count) ?? int.MaxValue;
        if (!context.IsTerminal || context.Json)
        {
            await SampleAsync(context, interval, count, table => context.Screen.Write(table), cancellation).ConfigureAwait(false);
            return ExitCode.Done;
        }

        await context.Screen.Live(new Text("reading")).StartAsync(live => SampleAsync(
            context, interval, count, live.UpdateTarget, cancellation)).ConfigureAwait(false);
        return ExitCode.Done;
    }

    private static async Task SampleAsync(
        ClientContext context, TimeSpan interval, int count, Action<Table> show, CancellationToken cancellation)
    {
        Dictionary<string, VmView> earlier = [];
        long then = Stopwatch.GetTimestamp();
        for (int shown = 0; shown < count; shown++)
        {
            if (shown > 0)
            {
                await Task.Delay(interval, cancellation).ConfigureAwait(false);
            }

            IReadOnlyList<VmView> vms = await context.Node.VmsAsync(cancellation).ConfigureAwait(false);
            double seconds = Stopwatch.GetElapsedTime(then).TotalSeconds;
            then = Stopwatch.GetTimestamp();
            if (context.Json)
            {
                context.WriteJson(new { version = 1, time = DateTimeOffset.UtcNow, vms });
            }
            else
            {
                show(ClientContext.TableOf(Headings, vms.Select(vm => Row(vm, earlier.GetValueOrDefault(vm.Name), seconds))));
            }

            earlier = vms.ToDictionary(vm => vm.Name, StringComparer.Ordinal);
        }
    }

    private static IReadOnlyList<string> Row(VmView vm, VmView? earlier, double seconds)
    {
        // A first reading has no rate, and a count that fell belongs to another life of the machine.
        string Rate(long now, long? before) => before is { } old && now >= old ? $"{(now - old) / seconds:0.0}" : "-";
        VmGauges? gauges = vm.Gauges;
        VmGauges? old = earlier?.Gauges;
        return
        [
            vm.Name, vm.Protection, vm.Role, Rate(vm.Checkpoints, earlier?.Checkpoints),
            gauges is null ? "-" : StatusPage.Milliseconds(gauges.LastPause),
            gauges is null ? "-" : Rate(gauges.FramesMatched, old?.FramesMatched),
            gauges is null ? "-" : Rate(gauges.FramesCommitted, old?.FramesCommitted),
            gauges is null ? "-" : Rate(gauges.FramesHeld, old?.FramesHeld),
            gauges is null ? "-" : Rate(gauges.Mismatches, old?.Mismatches),
        ];
    }
}
