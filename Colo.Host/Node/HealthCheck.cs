using Colo.Actors.Protocol;
using Colo.Host.Cluster;

namespace Colo.Host.Node;

/// <summary>One thing that was looked at, for <c>/health</c> and <c>colo check</c>.</summary>
/// <param name="Group">node, cluster or the VM's name.</param>
/// <param name="Status">ok, warning or failed.</param>
/// <param name="Hint">What to do; empty when all is well.</param>
public sealed record HealthCheck(string Group, string Name, string Status, string Text, string Hint)
{
    private const long DiskFreeMin = 64 << 20;

    public static string Worst(IReadOnlyList<HealthCheck> checks) =>
        checks.Any(check => check.Status == "failed") ? "failed" : checks.Any(check => check.Status == "warning")
            ? "warning" : "ok";

    public static IReadOnlyList<HealthCheck> All(NodeRuntime node)
    {
        var found = new List<HealthCheck>
        {
            node.Failed.Task.IsCompleted
                ? new("node", "runs", "failed", node.Failed.Task.Result,
                    "restart the service; report it with `colo support bundle`")
                : new("node", "runs", "ok", $"{node.Self}", string.Empty),
            StateDirectory(node),
            node.IsDraining
                ? new("node", "takes part", "warning", "drained", $"`colo host undrain {node.Self.Host.Name}`")
                : new("node", "takes part", "ok", "yes", string.Empty),
        };
        if (node.Options.Heartbeat.Gateway is { } gateway)
        {
            found.Add(node.ReachesGateway
                ? new("node", "gateway", "ok", $"{gateway} answers", string.Empty)
                : new("node", "gateway", "failed", $"{gateway} does not answer", "check this host's LAN"));
        }

        found.AddRange(node.Members().Where(member => member.Node != node.Self.Host.Name).Select(OfMember));
        found.AddRange(node.Vms.SelectMany(vm => OfVm(node, vm)));
        return found;
    }

    private static HealthCheck StateDirectory(NodeRuntime node)
    {
        try
        {
            long free = new DriveInfo(Path.GetFullPath(node.Options.StateDirectory)).AvailableFreeSpace;
            return free < DiskFreeMin
                ? new("node", "state directory", "failed", $"{free >> 20} MiB free in {node.Options.StateDirectory}",
                    "make room: records and bitmaps must be written")
                : new("node", "state directory", "ok", $"{free >> 20} MiB free", string.Empty);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return new("node", "state directory", "warning", problem.Message, $"look at {node.Options.StateDirectory}");
        }
    }

    private static HealthCheck OfMember(MemberView member) => member switch
    {
        { Status: "Joining" } =>
            new("cluster", member.Node, "warning", "never heard",
            "start it, or look at addresses and certificates on both sides"),
        { Status: "Unreachable" } =>
            new("cluster", member.Node, "failed", $"lost ({member.Lost})", "`colo explain HostLost`"),
        _ when member.LinksUp.Contains(false) => new(
            "cluster", member.Node, "warning", $"network {member.LinksUp.ToList().IndexOf(false)} is down",
            "repair it: the next one may be the last"),
        _ => new("cluster", member.Node, "ok", $"heard {member.HeardMs:0} ms ago", string.Empty),
    };

    private static IEnumerable<HealthCheck> OfVm(NodeRuntime node, VmRecord vm)
    {
        string name = vm.Definition.Name;
        VmStatusView status = ClusterStatus.VmOf(node, vm, node.Members());
        yield return new(
            name, "protection",
            status.Word switch { "PROTECTED" => "ok", "HOLDING" or "UNKNOWN" => "failed", _ => "warning" },
            status.Detail.Length > 0 ? $"{status.Word}: {status.Detail}" : status.Word, status.Word == "PROTECTED"
                ? string.Empty : status.Next);
        if (vm.Definition.Check is not null && vm.IsOwner)
        {
            yield return vm.GuestSilent.Length > 0
                ? new(
                    name, "guest answers", "warning", vm.GuestSilent, $"`colo console {name}`: look at the guest itself")
                : new(name, "guest answers", "ok", "nothing against it", string.Empty);
        }

        if (vm.Status?.Role == VmRole.None && node.Facts().TotalMemoryBytes > 0)
        {
            long free = HostMemory.Read().Available;
            yield return free < vm.Definition.MemoryBytes
                ? new(name, "memory for a copy", "warning",
                    $"{free >> 20} MiB free, {vm.Definition.MemoryBytes >> 20} needed", "free memory on this host")
                : new(name, "memory for a copy", "ok", $"{free >> 20} MiB free", string.Empty);
        }

        foreach (Configuration.VmDisk disk in vm.Definition.Disks.Where(disk => !File.Exists(disk.Path)))
        {
            yield return new(
                name, "disk", "failed", $"{disk.Path} does not exist",
                "create it with the size that it has on the other host");
        }
    }
}
