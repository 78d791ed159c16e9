using Colo.Actors.Links;
using Colo.Actors.Protocol;
using Colo.Actors.Vm;
using Colo.Actors.Vm.Embedded;
using Colo.Host.Cli;
using Colo.Host.Configuration;
using Colo.Vmm.Block;
using Colo.Vmm.Checkpoint.Secondary;
using Colo.Vmm.Cpu;
using Colo.Vmm.Links;
using Colo.Vmm.Machine;
using Colo.Vmm.Net;

namespace Colo.Host.Node;

/// <summary>Makes the backend of a VM from its definition.</summary>
internal static class BackendFactory
{
    private const string DefaultCommandLine = "console=ttyS0";

    /// <summary>The code of a server that forks for each request does not fit into a machine's own bound and is decoded
    /// again and again there (adr/0022); a node's guests have room.</summary>
    private const int DecodedBytesMax = 24 << 20;

    public static IVmBackend Create(
        NodeRuntime node, VmDefinition vm, VmRecord record, Action<Message> report, LinkRegistry registry, PeerLinks links,
        LinkSecurity? security, TimeProvider time, Action<string> log)
    {
        if (vm.Backend == VmBackendKind.Qemu)
        {
            return QemuBackendFactory.Create(node, vm, record, report, registry, links, security, time, log);
        }

        (string kernel, string initrd) = vm.Guest.Length > 0 ? GuestImages.Find(vm.Guest) : (vm.Kernel, vm.Initrd);
        return new EmbeddedVmBackend(
            new EmbeddedVmOptions
            {
                Vm = new VmId(vm.Name),
                Self = node.Self,
                Nics = [.. vm.Nics.Select((nic, index) => new EmbeddedNic(TapName(vm, nic, index), nic.Bridge, nic.Mac))],
                OpenLocalDisks = () =>
                [
                    .. vm.Disks.Select(disk => disk.Mode != VmDiskMode.Local
                        ? null : (IBlockDevice)new RawFileDevice(disk.Path, disk.ReadOnly)),
                ],
                PairedDisks =
                [
                    .. vm.Disks.Where(disk => disk.Mode != VmDiskMode.Local)
                        .Select((disk, index) => PairedOf(node, vm, disk, index)),
                ],
                DiskSerials = [.. vm.Disks.Select((disk, index) => disk.Serial.Length > 0 ? disk.Serial : $"{vm.Name}-{index}")],
                BuildMachine = (nics, disks) => new MachineOptions
                {
                    MemoryBytes = (ulong)vm.MemoryBytes,
                    HartCount = vm.Harts,
                    KernelPath = kernel,
                    InitrdPath = initrd.Length > 0 ? initrd : null,
                    CommandLine = vm.Append.Length > 0 ? vm.Append : DefaultCommandLine,
                    Hart = HartOptions.Default with { DecodedBytesMax = DecodedBytesMax },
                    Nics = nics,
                    Disks = disks,
                    Console = record.Console,
                    TimeProvider = time,
                },
                Comparer = ComparerOf(vm),
                PageChannels = vm.PageChannels,
                SecondaryOptions = new SecondaryCheckpointOptions
                {
                    WantCheckpointPages = (int)Math.Clamp(vm.CheckpointMemoryLimitBytes / 4096, 1, vm.MemoryBytes / 4096),
                    MemoryPagesMax = (int)Math.Clamp(vm.CheckpointMemoryLimitBytes / 4096, 1, vm.MemoryBytes / 4096),
                    SpillPath = Path.Combine(node.Options.StateDirectory, $"{vm.Name}.staged"),
                },
                PeerAddress = links.DataAddress,
                Security = security,
                Links = registry,
                Time = time,
                Log = log,
            },
            report);
    }

    internal static ComparerOptions ComparerOf(VmDefinition vm)
    {
        var defaults = new ComparerOptions();
        return defaults with
        {
            CompareTimeout = vm.CompareTimeout,
            AheadTimeout = vm.CompareTimeout > defaults.AheadTimeout ? vm.CompareTimeout : defaults.AheadTimeout,
            QueueFramesMax = vm.CompareQueuePackets,
        };
    }

    private static ReplicatedDiskOptions PairedOf(NodeRuntime node, VmDefinition vm, VmDisk disk, int index)
    {
        string state = StateOf(node, vm, index);
        return new ReplicatedDiskOptions(
            disk.Path, state + ".bitmap", state + ".buffer", vm.DiskBufferMemoryBytes,
            new DiskLinkOptions { LagBytes = (int)Math.Min(int.MaxValue, vm.DiskLagLimitBytes), StallTimeout = vm.DiskLagTimeout },
            vm.ResyncBytesPerSecond)
        {
            Shared = disk.Mode == VmDiskMode.Shared,
            Faults = node.Faults.DisksOf(vm.Name),
            Files = node.DiskFiles,
            BufferLimitBytes = vm.DiskBufferLimitBytes,
        };
    }

    /// <summary>
    /// Before a disk is made: what this host knows of a former one in its place, in a VM of this name that was deleted,
    /// would make the new one stale, or write the former one's sectors to it.
    /// </summary>
    internal static void ForgetDisk(NodeRuntime node, VmDefinition vm, VmDisk disk)
    {
        int index = vm.Disks.Where(one => one.Mode != VmDiskMode.Local).ToList().IndexOf(disk);
        if (index >= 0)
        {
            File.Delete(StateOf(node, vm, index) + ".bitmap");
            File.Delete(StateOf(node, vm, index) + ".buffer");
        }
    }

    private static string StateOf(NodeRuntime node, VmDefinition vm, int index) =>
        Path.Combine(node.Options.StateDirectory, $"{vm.Name}-{index}");

    /// <summary>What is wrong, in words, where two VMs of a host would have one interface, as long names that end alike
    /// do; null when there is none.</summary>
    /// <param name="others">Definitions of the same host; one of the same name is the VM itself.</param>
    internal static string? TapClash(VmDefinition vm, IEnumerable<VmDefinition> others)
    {
        string[] own = [.. TapsOf(vm)];
        return others.Where(other => other.Name != vm.Name)
            .SelectMany(other => TapsOf(other).Intersect(own).Select(tap =>
                $"interface {tap} is that of VM '{other.Name}'; give one of them a tap of its own"))
            .FirstOrDefault();
    }

    /// <summary>The interfaces that the node makes for a VM's cards; QEMU's own network has none.</summary>
    private static IEnumerable<string> TapsOf(VmDefinition vm) => vm.Nics
        .Select((nic, index) => (Nic: nic, Name: TapName(vm, nic, index)))
        .Where(card => vm.Backend != VmBackendKind.Qemu || card.Nic.Bridge.Length + card.Nic.Tap.Length > 0)
        .Select(card => card.Name);

    internal static string TapName(VmDefinition vm, VmNic nic, int index)
    {
        string name = nic.Tap.Length > 0 ? nic.Tap : $"{vm.Name}{index}";
        return name.Length > 15 ? name[^15..] : name;
    }
}
