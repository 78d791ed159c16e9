using Colo.Actors.Checkpoint;

namespace Colo.Host.Configuration;

/// <summary>One VM of the configuration, checked. See <c>colo.vm-defaults</c> in <c>hocon/reference.conf</c>.</summary>
public sealed record VmDefinition
{
    public required string Name { get; init; }

    public required VmBackendKind Backend { get; init; }

    public required string Guest { get; init; }

    public required string Kernel { get; init; }

    public required string Initrd { get; init; }

    public required string Append { get; init; }

    public required long MemoryBytes { get; init; }

    public required int Harts { get; init; }

    public required IReadOnlyList<string> Nodes { get; init; }

    public required IReadOnlyList<VmDisk> Disks { get; init; }

    public required IReadOnlyList<VmNic> Nics { get; init; }

    public required CheckpointOptions Checkpoint { get; init; }

    public required int PageChannels { get; init; }

    public required long CheckpointMemoryLimitBytes { get; init; }

    public required TimeSpan CompareTimeout { get; init; }

    public required int CompareQueuePackets { get; init; }

    public required long DiskLagLimitBytes { get; init; }

    public required TimeSpan DiskLagTimeout { get; init; }

    public required long DiskBufferMemoryBytes { get; init; }

    public required long DiskBufferLimitBytes { get; init; }

    public required long ResyncBytesPerSecond { get; init; }

    /// <summary>Whether the guest answers, asked from the host that runs it; null: not asked.</summary>
    public VmCheck? Check { get; init; }

    /// <summary>What only QEMU guests have; null for the embedded machine.</summary>
    public VmQemu? Qemu { get; init; }
}

/// <summary>The part of a definition that is for QEMU.</summary>
/// <param name="Binary">The program.</param>
/// <param name="ImageBinary">The program for images.</param>
/// <param name="Machine">Machine type.</param>
/// <param name="Cpu">CPU model; empty: the machine's default.</param>
/// <param name="Accelerator">kvm or tcg.</param>
/// <param name="Arguments">Added to the command line.</param>
/// <param name="HangTimeout">Half of a pair that does not answer for so long is given up.</param>
/// <param name="StartTimeout">The first state must be with the peer in this time.</param>
/// <param name="OwnComparer">Colo's comparer compares, not QEMU's.</param>
/// <param name="CaptureFolder">Where Colo's comparer records what it decides; empty: nowhere.</param>
public sealed record VmQemu(
    string Binary, string ImageBinary, string Machine, string Cpu, string Accelerator, IReadOnlyList<string> Arguments,
    TimeSpan HangTimeout, TimeSpan StartTimeout, bool OwnComparer, string CaptureFolder);

/// <summary>What runs the guest.</summary>
public enum VmBackendKind
{
    Embedded,
    Qemu,
}

/// <summary>How a disk follows the guest.</summary>
public enum VmDiskMode
{
    Replicated,
    Shared,
    Local,
}

/// <summary>A disk of a VM: a raw image on this node.</summary>
public sealed record VmDisk(string Path, VmDiskMode Mode, bool ReadOnly, string Serial)
{
    /// <summary>A missing file is made with this length when the VM is created; 0: the file must be there.</summary>
    public long SizeBytes { get; init; }

    /// <summary>QEMU: the image's format.</summary>
    public string Format { get; init; } = "raw";

    /// <summary>QEMU: the device that the guest sees.</summary>
    public string Device { get; init; } = "virtio-blk-pci";
}

/// <summary>A question to the guest every <paramref name="Interval"/>; so many without answer count as
/// silence.</summary>
public sealed record VmCheck(System.Net.IPAddress Address, TimeSpan Interval, int Misses)
{
    public VmCheckQuestion By { get; init; } = VmCheckQuestion.Icmp;

    public VmCheckAction Then { get; init; } = VmCheckAction.Report;
}

/// <summary>How a guest is asked.</summary>
public enum VmCheckQuestion
{
    /// <summary>ICMP echo: from an address of the host that can reach it.</summary>
    Icmp,

    /// <summary>ARP on the bridge of the first card: needs no address of the host, and no guest refuses it.</summary>
    Arp,
}

/// <summary>What follows from a guest that has fallen silent while its host is well.</summary>
public enum VmCheckAction
{
    /// <summary>The event, a warning in status and health, the hook.</summary>
    Report,

    /// <summary>That, and the roles are exchanged: what is wrong may be this host's way to the LAN.</summary>
    Switchover,
}

/// <summary>A NIC of a VM.</summary>
/// <param name="Bridge">Bridge of the host that the TAP joins; empty: none.</param>
/// <param name="Mac">Six bytes.</param>
/// <param name="Tap">Name of the TAP; empty: derived from the VM's name.</param>
public sealed record VmNic(string Bridge, byte[] Mac, string Tap)
{
    /// <summary>QEMU: the device that the guest sees.</summary>
    public string Model { get; init; } = "e1000";
}
