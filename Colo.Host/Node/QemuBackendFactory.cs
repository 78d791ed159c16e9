using System.Globalization;
using Colo.Actors.Checkpoint;
using Colo.Actors.Links;
using Colo.Actors.Protocol;
using Colo.Actors.Vm.Qemu;
using Colo.Host.Configuration;
using Colo.Vmm.Links;
using Colo.Vmm.Qemu;

namespace Colo.Host.Node;

/// <summary>Makes the backend of a VM that QEMU runs from its definition.</summary>
internal static class QemuBackendFactory
{
    public static QemuVmBackend Create(
        NodeRuntime node, VmDefinition vm, VmRecord record, Action<Message> report, LinkRegistry registry, PeerLinks links,
        LinkSecurity? security, TimeProvider time, Action<string> log) =>
        new(
            new QemuVmOptions
            {
                Vm = new VmId(vm.Name),
                Self = node.Self,
                Guest = GuestOf(vm),
                Folder = FolderOf(node.Options, vm),
                Settings = new QemuPairSettings
                {
                    Compare = vm.Checkpoint.Mode != ReplicationMode.Periodic,
                    CheckpointPeriod = vm.Checkpoint.Mode == ReplicationMode.Periodic ? vm.Checkpoint.PeriodicPeriod : vm.Checkpoint.ColoPeriod,
                    OwnComparer = vm.Qemu!.OwnComparer,
                    CompareTimeout = vm.CompareTimeout,
                    CopyBytesPerSecond = vm.ResyncBytesPerSecond,
                    StartTimeout = vm.Qemu.StartTimeout,
                },
                ColoPeriod = vm.Checkpoint.ColoPeriod,
                PeriodicPeriod = vm.Checkpoint.PeriodicPeriod,
                Bridges = [.. vm.Nics.Select(nic => nic.Bridge)],
                Preflight = () => Problems(node.Options, vm),
                Printed = output => record.Console.Write(output.Span),
                TypingTo = type => { record.Console.Input = bytes => { type(bytes.ToArray()); return bytes.Length; }; },
                HangTimeout = vm.Qemu.HangTimeout,
                Comparer = BackendFactory.ComparerOf(vm),
                CaptureFolder = vm.Qemu.CaptureFolder,
                PeerAddress = links.DataAddress,
                Security = security,
                Links = registry,
                Time = time,
                Log = log,
            },
            report);

    /// <summary>What QEMU would refuse, each with its key.</summary>
    public static IReadOnlyList<string> Problems(NodeOptions node, VmDefinition vm) =>
    [
        .. QemuPreflight.Check(GuestOf(vm), FolderOf(node, vm)).Select(problem =>
            problem.Key.StartsWith("node.", StringComparison.Ordinal) ? $"colo.{problem}" : $"colo.vms.{vm.Name}.{problem}"),
        .. vm.Nics.Select((nic, index) => (nic.Bridge, Index: index)).Where(nic => nic.Bridge.Length > 0 && !QemuTap.Exists(nic.Bridge))
            .Select(nic => string.Create(CultureInfo.InvariantCulture, $"colo.vms.{vm.Name}.nics[{nic.Index}].bridge is '{nic.Bridge}': no such interface")),
    ];

    /// <summary>Bytes of all disks as the guest sees them; zero while one cannot be read, which the check before a
    /// start will say.</summary>
    public static long DiskBytes(VmDefinition vm)
    {
        try
        {
            return vm.Disks.Sum(disk => QemuTool.SizeOf(vm.Qemu!.ImageBinary, disk.Path, disk.Format));
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private static QemuFolder FolderOf(NodeOptions node, VmDefinition vm) => new(Path.GetFullPath(Path.Combine(node.StateDirectory, vm.Name)));

    private static QemuDefinition GuestOf(VmDefinition vm) => new()
    {
        Name = vm.Name,
        Binary = vm.Qemu!.Binary,
        ImageBinary = vm.Qemu.ImageBinary,
        Machine = vm.Qemu.Machine,
        Cpu = vm.Qemu.Cpu,
        Accelerator = vm.Qemu.Accelerator,
        MemoryBytes = vm.MemoryBytes,
        VirtualCpus = vm.Harts,
        Disks = [.. vm.Disks.Select(disk => new QemuDisk(Path.GetFullPath(disk.Path), disk.Format, disk.Device, disk.Serial))],
        Nics = [.. vm.Nics.Select((nic, index) => new QemuNic(TapOf(vm, nic, index), nic.Mac, nic.Model))],
        ExtraArguments = vm.Qemu.Arguments,
    };

    /// <summary>A card without bridge and TAP is on a network of its own.</summary>
    private static string TapOf(VmDefinition vm, VmNic nic, int index) =>
        nic.Bridge.Length == 0 && nic.Tap.Length == 0 ? string.Empty : BackendFactory.TapName(vm, nic, index);
}
