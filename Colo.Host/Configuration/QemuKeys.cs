using Colo.Actors.Checkpoint;

namespace Colo.Host.Configuration;

/// <summary>Reads the keys of a VM that only QEMU has, and refuses those of the embedded machine.</summary>
internal static class QemuKeys
{
    public static VmQemu Read(KeyReader keys, string prefix, CheckpointOptions checkpoint, IReadOnlyList<VmDisk> disks, bool hasKernel)
    {
        string own = $"{prefix}.qemu";
        if (hasKernel)
        {
            keys.Wrong(prefix, "has guest or kernel, which are for the embedded machine; a QEMU guest boots from its disks or by qemu.arguments");
        }

        if (checkpoint.Mode == ReplicationMode.Auto)
        {
            keys.Wrong($"{prefix}.mode", "is auto, which is for the embedded machine; expected colo or periodic");
        }

        for (int index = 0; index < disks.Count; index++)
        {
            if (disks[index].Mode != VmDiskMode.Replicated || disks[index].ReadOnly)
            {
                keys.Wrong($"{prefix}.disks[{index}]", "is not replicated, or read-only; a disk of a QEMU pair is replicated and writable");
            }

            if (disks[index].Path.Contains(',', StringComparison.Ordinal))
            {
                keys.Wrong($"{prefix}.disks[{index}]", $"has path '{disks[index].Path}', expected one without a comma");
            }
        }

        string accelerator = keys.Text($"{own}.accel");
        if (accelerator is not ("kvm" or "tcg"))
        {
            keys.Wrong($"{own}.accel", $"is '{accelerator}', expected kvm or tcg");
        }

        string comparer = keys.Text($"{own}.comparer");
        if (comparer is not ("qemu" or "colo"))
        {
            keys.Wrong($"{own}.comparer", $"is '{comparer}', expected qemu or colo");
        }

        return new VmQemu(
            keys.Text($"{own}.binary", required: true), keys.Text($"{own}.image-binary", required: true), keys.Text($"{own}.machine", required: true),
            keys.Text($"{own}.cpu"), accelerator, keys.Texts($"{own}.arguments"), keys.Duration($"{own}.hang-timeout"),
            keys.Duration($"{own}.start-timeout"), comparer == "colo", keys.Text($"{own}.capture"));
    }
}
