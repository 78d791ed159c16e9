using Colo.Actors.Vm;
using Colo.Host.Node;

namespace Colo.Host.Cli;

/// <summary>A VM in words. Nothing here is better than what the node says (S15): only Protected reads as PROTECTED.</summary>
internal static class StatusPage
{
    public static readonly IReadOnlyList<string> Headings = ["VM", "PROTECTION", "ROLE", "HOST", "PEER", "STATE", "TERM", "EPOCH", "WAITS FOR"];

    public static bool IsProtected(VmView vm) => vm.Protection == "Protected";

    public static string Word(VmView vm) => vm.Protection switch
    {
        "Protected" => "PROTECTED",
        "Unprotected" => "NOT PROTECTED",
        "Protecting" => "NOT PROTECTED (a second copy is being made)",
        "Holding" => "NOT PROTECTED (holding answers)",
        "Parked" => "PARKED (the guest does not run on this host)",
        "Off" => "OFF",
        _ => $"UNKNOWN ({vm.Protection})",
    };

    public static IReadOnlyList<string> Row(VmView vm) =>
    [
        vm.Name, vm.Protection, vm.Role, vm.Host, vm.Peer ?? "-", vm.State, $"{vm.Term}", $"{vm.Epoch}",
        vm.WaitsFor.Length > 0 ? vm.WaitsFor : "-",
    ];

    /// <summary>The front page's paragraph for one VM.</summary>
    public static IEnumerable<string> Lines(VmView vm, DateTimeOffset now)
    {
        yield return $"{vm.Name,-7} {Word(vm)} since {vm.Since.ToLocalTime():yyyy-MM-dd HH:mm:ss} ({Duration(now - vm.Since)})"
            + $"      term {vm.Term}   epoch {vm.Epoch:N0}";
        yield return $"        {Fate(vm)}";
        yield return $"        {vm.Host}: {vm.Role}, {vm.State}{(vm.Gauges is { } machine ? $", machine {machine.Machine}" : string.Empty)}"
            + $"   peer: {vm.Peer ?? "none"}";
        if (vm.WaitsFor.Length > 0)
        {
            yield return $"        waits for: {vm.WaitsFor}";
        }

        if (vm.Gauges is not { } gauges)
        {
            yield break;
        }

        yield return $"  OUTPUT  {Share(gauges)}   committed {gauges.FramesCommitted:N0}   solo {gauges.FramesSolo:N0}"
            + $"   held {gauges.FramesHeld:N0}   mismatches {gauges.Mismatches:N0}";
        yield return $"  PAUSE   last {Milliseconds(gauges.LastPause)}   last checkpoint {Milliseconds(gauges.LastCheckpoint)}"
            + $", {gauges.CheckpointPages:N0} pages, {gauges.CheckpointBytes:N0} bytes   checkpoints {vm.Checkpoints:N0}";
        yield return $"  DISK    not acknowledged {gauges.DiskLagBytes:N0} bytes   buffer {gauges.DiskBufferBytes:N0} bytes{Resync(gauges)}";
    }

    public static string Milliseconds(TimeSpan span) => $"{span.TotalMilliseconds:0.0} ms";

    internal static string Duration(TimeSpan span) => span switch
    {
        { Ticks: < 0 } => "clocks differ",
        { TotalMinutes: < 1 } => $"{span.Seconds} s",
        { TotalHours: < 1 } => $"{span.Minutes} min {span.Seconds} s",
        { TotalDays: < 1 } => $"{span.Hours} h {span.Minutes} min",
        _ => $"{(int)span.TotalDays} d {span.Hours} h",
    };

    private static string Fate(VmView vm) => vm.Protection switch
    {
        "Protected" => $"if {vm.Host} or {vm.Peer ?? "its peer"} died now: the other one continues the guest",
        "Unprotected" or "Protecting" => $"if {vm.Host} died now: {vm.Name} STOPS",
        "Holding" => "the peer is lost; no answer leaves until the arbiter or the operator decides",
        "Parked" => "ask the host that runs it",
        "Off" => $"`colo vm start {vm.Name}` boots it",
        _ => "this program does not know that word; it may be older than the node",
    };

    private static string Share(VmGauges gauges)
    {
        long released = gauges.FramesMatched + gauges.FramesCommitted + gauges.FramesSolo;
        return released == 0 ? "matched 0" : $"matched {gauges.FramesMatched:N0} ({100.0 * gauges.FramesMatched / released:0.0} %)";
    }

    private static string Resync(VmGauges gauges) => gauges.ResyncTotalBytes == 0
        ? string.Empty
        : $"   copy {100.0 * gauges.ResyncDoneBytes / gauges.ResyncTotalBytes:0} % of {gauges.ResyncTotalBytes:N0} bytes";
}
