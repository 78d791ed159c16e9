using Colo.Actors.Vm;
using Colo.Host.Cluster;
using Colo.Host.Node;

namespace Colo.Host.Cli;

/// <summary>
/// The front page in words. Nothing here is better than what the node says (S15): only Protected reads as PROTECTED.
/// </summary>
internal static class StatusPage
{
    public static readonly IReadOnlyList<string> Headings =
        ["VM", "PROTECTION", "ROLE", "HOST", "PEER", "STATE", "TERM", "EPOCH", "WAITS FOR"];

    private static readonly IReadOnlyList<string> HostHeadings =
        ["  HOST", "ROLE", "STATE", "HEARD", "EPOCH", "DISK", "LINK"];

    public static IReadOnlyList<string> Row(VmView vm) =>
    [
        vm.Name, vm.Protection, vm.Role, vm.Host, vm.Peer ?? "-", vm.State, $"{vm.Term}", $"{vm.Epoch}",
        vm.WaitsFor.Length > 0 ? vm.WaitsFor : "-",
    ];

    /// <summary>One VM: the truth in one line, what a loss would mean, the hosts, the output.</summary>
    public static void Write(ClientContext context, VmStatusView vm, DateTimeOffset now)
    {
        TextWriter output = context.Output;
        string detail = vm.Detail.Length > 0 ? $" ({vm.Detail})" : string.Empty;
        string automatic = vm.AutomaticRoleChange ? "on" : $"OFF on {string.Join(", ", vm.PausedOn)}";
        output.WriteLine(
            $"{vm.Name,-7} {vm.Word}{detail} since {vm.Since.ToLocalTime():yyyy-MM-dd HH:mm:ss} ({Duration(now - vm.Since)})   term {vm.Term}"
            + $"   epoch {vm.Epoch:N0}   automatic role change: {automatic}");
        foreach (HostFate fate in vm.IfDied)
        {
            output.WriteLine($"        {fate.Text}");
        }

        Line(output, "why: ", vm.Why);
        Line(output, string.Empty, vm.Requested);
        Line(output, "next: ", vm.Next);
        output.WriteLine();
        context.WriteTable(HostHeadings, vm.Hosts.Select(HostRow));
        if (vm.Gauges is { Machine: not "off" } gauges)
        {
            output.WriteLine();
            output.WriteLine($"  OUTPUT  {Share(gauges)}   by checkpoint {gauges.FramesCommitted:N0}   alone {gauges.FramesSolo:N0}   had to wait {gauges.FramesHeld:N0}   mismatches {gauges.Mismatches:N0}");
            output.WriteLine($"  PAUSE   {Pause(vm.Recent)}   last checkpoint {Last(vm.LastCheckpoint)}");
        }
    }

    public static string Milliseconds(TimeSpan span) => $"{span.TotalMilliseconds:0.0} ms";

    public static string Ms(double? ms) => ms is not { } known ? "-" : known < 10 ? $"{known:0.0} ms" : $"{known:0} ms";

    /// <summary>An age as people say it; "never" for null.</summary>
    public static string Age(double? ms) =>
        ms switch { null => "never", < 60_000 => $"{ms / 1000:0.0} s", _ =>
        Duration(TimeSpan.FromMilliseconds(ms.Value)) };

    internal static string Duration(TimeSpan span) => span switch
    {
        { Ticks: < 0 } => "clocks differ",
        { TotalMinutes: < 1 } => $"{span.Seconds} s",
        { TotalHours: < 1 } => $"{span.Minutes} min {span.Seconds} s",
        { TotalDays: < 1 } => $"{span.Hours} h {span.Minutes} min",
        _ => $"{(int)span.TotalDays} d {span.Hours} h",
    };

    private static void Line(TextWriter output, string prefix, string text)
    {
        if (text.Length > 0)
        {
            output.WriteLine($"        {prefix}{text}");
        }
    }

    private static IReadOnlyList<string> HostRow(VmHostRow row) =>
    [
        "  " + row.Host, row.Role, row.State, (row.IsStale ? "stale " : string.Empty) + Age(row.HeardMs),
        row.Epoch is { } epoch ? $"{epoch:N0}" : "-", row.Disk, Ms(row.LinkMs),
    ];

    private static string Pause(RecentCheckpoints? recent) => recent is not { Count: > 0 }
        ? "no checkpoint in the last minute"
        : $"p50 {Ms(recent.PauseP50Ms)}   p99 {Ms(recent.PauseP99Ms)}   last {recent.Seconds} s: {recent.Count} checkpoints "
            + $"({string.Join(", ", recent.ByReason.OrderByDescending(reason => reason.Value).Select(reason => $"{reason.Key} {reason.Value}"))})";

    private static string Last(CheckpointEntry? entry) => entry is null
        ? "none"
        : $"{entry.Epoch:N0}: request {Ms(entry.RequestMs)}, capture {Ms(entry.CaptureMs)}, stream {Ms(entry.StreamMs)}, commit {Ms(entry.CommitMs)}, load {Ms(entry.LoadMs)}";

    private static string Share(VmGauges gauges)
    {
        long released = gauges.FramesMatched + gauges.FramesCommitted + gauges.FramesSolo;
        return released == 0 ? "matched 0" : $"matched {100.0 * gauges.FramesMatched / released:0.0} %";
    }
}
