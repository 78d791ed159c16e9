namespace Colo.Vmm.Qemu;

/// <summary>A guest as QEMU is told to make it; the same on both hosts but for paths and TAPs.</summary>
public sealed record QemuDefinition
{
    public required string Name { get; init; }

    /// <summary>The program, found on PATH when it is no path.</summary>
    public string Binary { get; init; } = "qemu-system-x86_64";

    /// <summary>The program that makes and inspects images.</summary>
    public string ImageBinary { get; init; } = "qemu-img";

    /// <summary>Argument of <c>-machine</c>.</summary>
    public string Machine { get; init; } = "pc";

    /// <summary>Argument of <c>-cpu</c>; empty: the machine's default.</summary>
    public string Cpu { get; init; } = string.Empty;

    /// <summary>kvm or tcg.</summary>
    public string Accelerator { get; init; } = "kvm";

    public required long MemoryBytes { get; init; }

    public int VirtualCpus { get; init; } = 1;

    public IReadOnlyList<QemuDisk> Disks { get; init; } = [];

    public IReadOnlyList<QemuNic> Nics { get; init; } = [];

    /// <summary>Added at the end of the command line as they are.</summary>
    public IReadOnlyList<string> ExtraArguments { get; init; } = [];
}

/// <summary>A disk of the guest.</summary>
/// <param name="Path">The image on this host.</param>
/// <param name="Format">raw, qcow2, or another format driver of QEMU.</param>
/// <param name="Device">The device that the guest sees: ide-hd, virtio-blk-pci, ...</param>
/// <param name="Serial">Serial number that the guest sees; empty: none.</param>
public sealed record QemuDisk(string Path, string Format, string Device, string Serial);

/// <summary>A card of the guest.</summary>
/// <param name="Tap">The TAP that it is connected to; empty: a hub with nobody else on it.</param>
/// <param name="Mac">Six bytes.</param>
/// <param name="Model">The device that the guest sees: rtl8139, ne2k_pci, e1000, virtio-net-pci, ...</param>
public sealed record QemuNic(string Tap, byte[] Mac, string Model)
{
    /// <summary>virtio cards exchange frames with a header before them, which the filters must be told of.</summary>
    public bool HasVirtioHeader => Tap.Length > 0 && Model.StartsWith("virtio-net", StringComparison.Ordinal);
}
