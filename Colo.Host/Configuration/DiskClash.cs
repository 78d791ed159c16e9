namespace Colo.Host.Configuration;

/// <summary>
/// Two machines with one disk, of which at least one writes: what both have on it is lost within minutes. Most often a
/// definition that was copied.
/// </summary>
internal static class DiskClash
{
    /// <summary>What is wrong, in words; null when the VM has its disks for itself.</summary>
    /// <param name="others">Definitions of the same host; one of the same name is the VM itself.</param>
    public static string? Of(VmDefinition vm, IEnumerable<VmDefinition> others)
    {
        var known = others.Where(other => other.Name != vm.Name)
            .SelectMany(other => other.Disks.Select(disk => (Vm: other.Name, Disk: disk))).ToList();
        foreach (VmDisk disk in vm.Disks.Where(disk => disk.Path.Length > 0))
        {
            (string? name, VmDisk? other) = known.Find(entry =>
                PathOf(entry.Disk) == PathOf(disk) && !(entry.Disk.ReadOnly && disk.ReadOnly));
            if (other is not null)
            {
                return other.ReadOnly
                    ? $"disk {disk.Path} is read by VM '{name}', so that no other may write to it"
                    : $"disk {disk.Path} is written to by VM '{name}'";
            }

            known.Add((vm.Name, disk));
        }

        return null;
    }

    /// <summary>A path that is none is somebody else's complaint.</summary>
    private static string PathOf(VmDisk disk) =>
        disk.Path.Length == 0 || disk.Path.Contains('\0') ? disk.Path : Path.GetFullPath(disk.Path);
}
