using Colo.Actors.Protocol;
using Colo.Actors.Vm;

namespace Colo.Host.Node;

/// <summary>Makes the view of a VM out of what this node knows of it.</summary>
internal static class VmViews
{
    /// <summary>What a VM waits for whose protection the operator has ended.</summary>
    public static string GivenUp(string vm) => $"the operator: `colo protect {vm}`";

    private static string WaitsFor(VmRecord vm, VmStatus? status) =>
        vm.IsGivenUp && status is { Role: VmRole.Solo, Protection: ProtectionState.Unprotected }
            ? GivenUp(vm.Definition.Name) : status?.WaitsFor ?? string.Empty;

    public static VmView Of(NodeRuntime node, VmRecord vm)
    {
        VmStatus? status = vm.Status;
        VmGauges? gauges = vm.Backend?.Inspect();
        return new VmView(
            vm.Definition.Name, node.Self.Host.Name, status?.Role.ToString() ?? "None", status?.Protection.ToString()
                ?? "Parked",
            status?.Term.Value ?? 0, status?.Epoch.Value ?? 0, status?.Peer?.Host.Name, status?.State ?? "Starting",
            WaitsFor(vm, status), vm.Since, vm.Checkpoints, gauges)
        {
            Mode = (vm.Mode ?? vm.Definition.Checkpoint.Mode).ToString().ToLowerInvariant(),
            Nodes = vm.Definition.Nodes,
            MemoryBytes = vm.Definition.MemoryBytes,
            Harts = vm.Definition.Harts,
            ReplicatedDisks = vm.Definition.Disks.Count(disk => disk.Mode == Configuration.VmDiskMode.Replicated),
            CreatedAtRunTime = vm.IsStored,
            AutomaticRoleChange = !vm.IsProtectionPaused,
            LastCheckpoint = vm.Journal.Last(1, gauges?.Timing) is [var last, ..] ? last : null,
            Recent = vm.Journal.Recent(),
            ResyncPercent = gauges is { ResyncTotalBytes: > 0 }
                ? 100.0 * gauges.ResyncDoneBytes / gauges.ResyncTotalBytes : null,
            ResyncSecondsLeft = gauges is null
                ? null : vm.Copy.SecondsLeft(gauges.ResyncDoneBytes, gauges.ResyncTotalBytes),
            GuestSilent = vm.GuestSilent,
            Why = status?.Protection == ProtectionState.Protected ? string.Empty : vm.Why,
        };
    }
}
