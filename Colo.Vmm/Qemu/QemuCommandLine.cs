using System.Globalization;
using System.Text.Json.Nodes;

namespace Colo.Vmm.Qemu;

/// <summary>
/// Builds the arguments of a QEMU in either role. Disks, from the guest down:
/// <code>
/// primary    colo-diskN (quorum) -> parentN (the image)                      [+ nbdN-A, the peer's image, while protected]
/// secondary  colo-diskN (quorum) -> childsN (replication) -> activeN -> hiddenN -> parentN, which is exported to the primary
/// </code>
/// Cards: the secondary has its redirectors and the rewriter from the start; the primary's filters come when it is
/// protected.
/// </summary>
public static class QemuCommandLine
{
    /// <summary>A guest that boots here and may be protected later.</summary>
    public static IReadOnlyList<string> Primary(QemuDefinition guest, QemuFolder folder)
    {
        List<string> arguments = Common(guest, folder);
        for (int disk = 0; disk < guest.Disks.Count; disk++)
        {
            AddImage(arguments, guest.Disks[disk], disk);
            AddQuorum(arguments, disk, QemuNames.Image(disk));
        }

        AddDevices(arguments, guest);
        arguments.AddRange(guest.ExtraArguments);
        return arguments;
    }

    /// <summary>A replica: waits for the primary's state.</summary>
    public static IReadOnlyList<string> Secondary(QemuDefinition guest, QemuFolder folder)
    {
        List<string> arguments = Common(guest, folder);
        for (int disk = 0; disk < guest.Disks.Count; disk++)
        {
            AddImage(arguments, guest.Disks[disk], disk);
            AddOverlay(arguments, QemuNames.Hidden(disk), folder.HiddenDisk(disk), QemuNames.Image(disk));
            AddOverlay(arguments, QemuNames.Active(disk), folder.ActiveDisk(disk), QemuNames.Hidden(disk));
            AddBlock(arguments, new JsonObject
            {
                ["driver"] = "replication",
                ["node-name"] = QemuNames.Replica(disk),
                ["mode"] = "secondary",
                ["top-id"] = QemuNames.Disk(disk),
                ["file"] = QemuNames.Active(disk),
            });
            AddQuorum(arguments, disk, QemuNames.Replica(disk));
        }

        AddDevices(arguments, guest);
        for (int nic = 0; nic < guest.Nics.Count; nic++)
        {
            AddSecondaryFilters(arguments, guest.Nics[nic], nic, folder);
        }

        arguments.AddRange(guest.ExtraArguments);
        arguments.AddRange(["-incoming", "defer"]);
        return arguments;
    }

    /// <summary>
    /// The same machine with nothing behind its disks and cards, standing, with its monitor on standard input and
    /// output: what QEMU refuses of the definition it refuses here, and nothing is touched.
    /// </summary>
    /// <param name="withExtraArguments">Whether the operator's own arguments are part of it.</param>
    public static IReadOnlyList<string> Probe(QemuDefinition guest, bool withExtraArguments)
    {
        List<string> arguments = [.. Machine(guest), "-S", "-qmp", "stdio", "-chardev", "null,id=console", "-serial", "chardev:console"];
        for (int disk = 0; disk < guest.Disks.Count; disk++)
        {
            AddBlock(arguments, new JsonObject { ["driver"] = "null-co", ["node-name"] = QemuNames.Image(disk), ["size"] = 1 << 20, ["read-zeroes"] = true });
            AddQuorum(arguments, disk, QemuNames.Image(disk));
        }

        AddDevices(arguments, guest with { Nics = [.. guest.Nics.Select(nic => nic with { Tap = string.Empty })] });
        if (withExtraArguments)
        {
            arguments.AddRange(guest.ExtraArguments);
        }

        return arguments;
    }

    private static List<string> Common(QemuDefinition guest, QemuFolder folder) =>
    [
        .. Machine(guest),
        "-chardev", $"socket,id=console,path={folder.Console},server=on,wait=off,logfile={folder.ConsoleLog},logappend=on",
        "-serial", "chardev:console",

        // It waits for its first client: a listener that is watched by the main loop and then handed to the monitor's
        // own thread has been seen accepting one client in both (QEMU 7.2), and one of them then waits for ever.
        "-qmp", $"unix:{folder.Monitor},server=on,wait=on",
    ];

    private static List<string> Machine(QemuDefinition guest)
    {
        List<string> arguments =
        [
            "-name", $"guest={guest.Name}",
            "-nodefaults", "-no-user-config", "-display", "none",

            // The guest's power-off is agreed by both sides first, so QEMU must not end by itself.
            "-no-shutdown",
            "-machine", guest.Machine,
            "-accel", guest.Accelerator,
            "-m", string.Create(CultureInfo.InvariantCulture, $"{guest.MemoryBytes >> 10}K"),
            "-smp", guest.VirtualCpus.ToString(CultureInfo.InvariantCulture),
        ];
        if (guest.Cpu.Length > 0)
        {
            arguments.AddRange(["-cpu", guest.Cpu]);
        }

        return arguments;
    }

    private static void AddImage(List<string> arguments, QemuDisk disk, int index) => AddBlock(arguments, new JsonObject
    {
        ["driver"] = disk.Format,
        ["node-name"] = QemuNames.Image(index),
        ["file"] = new JsonObject { ["driver"] = "file", ["filename"] = disk.Path },
    });

    private static void AddOverlay(List<string> arguments, string node, string path, string backing) => AddBlock(arguments, new JsonObject
    {
        ["driver"] = "qcow2",
        ["node-name"] = node,
        ["file"] = new JsonObject { ["driver"] = "file", ["filename"] = path },
        ["backing"] = backing,
    });

    private static void AddQuorum(List<string> arguments, int disk, string child) => AddBlock(arguments, new JsonObject
    {
        ["driver"] = "quorum",
        ["node-name"] = QemuNames.Disk(disk),
        ["read-pattern"] = "fifo",
        ["vote-threshold"] = 1,
        ["children"] = new JsonArray(child),
    });

    private static void AddBlock(List<string> arguments, JsonObject node) => arguments.AddRange(["-blockdev", node.ToJsonString()]);

    private static void AddDevices(List<string> arguments, QemuDefinition guest)
    {
        for (int disk = 0; disk < guest.Disks.Count; disk++)
        {
            string serial = guest.Disks[disk].Serial.Length > 0 ? $",serial={guest.Disks[disk].Serial}" : string.Empty;
            arguments.AddRange(["-device", $"{guest.Disks[disk].Device},drive={QemuNames.Disk(disk)}{serial}"]);
        }

        for (int nic = 0; nic < guest.Nics.Count; nic++)
        {
            QemuNic card = guest.Nics[nic];
            string netdev = QemuNames.Netdev(nic);
            arguments.AddRange(
            [
                "-netdev",
                card.Tap.Length > 0
                    ? $"tap,id={netdev},ifname={card.Tap},script=no,downscript=no,vhost=off"
                    : string.Create(CultureInfo.InvariantCulture, $"hubport,id={netdev},hubid={nic}"),
                "-device", $"{card.Model},netdev={netdev},mac={Convert.ToHexString(card.Mac).Chunk(2).Select(two => new string(two)).Aggregate((a, b) => $"{a}:{b}")}",
            ]);
        }
    }

    private static void AddSecondaryFilters(List<string> arguments, QemuNic card, int nic, QemuFolder folder)
    {
        string netdev = QemuNames.Netdev(nic);
        string header = card.HasVirtioHeader ? ",vnet_hdr_support=on" : string.Empty;
        arguments.AddRange(
        [
            "-chardev", $"socket,id=red{nic}-in,path={folder.Channel($"red{nic}-in")},server=on,wait=off",
            "-chardev", $"socket,id=red{nic}-out,path={folder.Channel($"red{nic}-out")},server=on,wait=off",
            "-object", $"filter-redirector,id=in{nic},netdev={netdev},queue=tx,indev=red{nic}-in{header}",
            "-object", $"filter-redirector,id=out{nic},netdev={netdev},queue=rx,outdev=red{nic}-out{header}",
            "-object", $"filter-rewriter,id={QemuNames.Rewriter(nic)},netdev={netdev},queue=all{header}",
        ]);
    }
}
