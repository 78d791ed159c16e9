using Colo.Actors.Vm;

namespace Colo.Host.Node;

/// <summary>A disk of a VM on this host.</summary>
public sealed record DiskView(int Number, string Path, string Mode, bool ReadOnly, string Serial, long? SizeBytes)
{
    /// <summary>The disks with what the backend measures of all replicated ones together.</summary>
    public static VmDisks Of(NodeRuntime node, VmRecord vm)
    {
        VmGauges? gauges = vm.Backend?.Inspect();
        return new VmDisks(
            vm.Definition.Name, node.Self.Host.Name, vm.Status?.Role.ToString() ?? "None",
            [
                .. vm.Definition.Disks.Select((disk, number) => new DiskView(
                    number, disk.Path, disk.Mode.ToString().ToLowerInvariant(), disk.ReadOnly, disk.Serial,
                    File.Exists(disk.Path) ? new FileInfo(disk.Path).Length : null)),
            ],
            gauges?.DiskLagBytes ?? 0, gauges?.DiskBufferBytes ?? 0, gauges?.ResyncDoneBytes
                ?? 0, gauges?.ResyncTotalBytes ?? 0, node.Verifier.Of(vm.Definition.Name));
    }
}

/// <summary>The disks of one VM on this host.</summary>
/// <param name="LagBytes">Forwarded to the peer and not yet acknowledged.</param>
/// <param name="BufferBytes">Fill of the secondary's buffer.</param>
/// <param name="Verify">The comparison with the secondary's that runs here, or the last one; null before the
/// first.</param>
public sealed record VmDisks(
    string Vm, string Host, string Role, IReadOnlyList<DiskView> Disks, long LagBytes, long BufferBytes,
    long ResyncDoneBytes, long ResyncTotalBytes, VerifyView? Verify);
