using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Akka.Configuration.Hocon;
using Colo.Actors.Checkpoint;
using Colo.Vmm.Block;

namespace Colo.Host.Configuration;

/// <summary>Reads one VM: its own keys over <c>colo.vm-defaults</c>.</summary>
internal static partial class VmDefinitionReader
{
    private const long MiB = 1 << 20;

    public static VmDefinition Read(KeyReader keys, string vm, string node, IReadOnlyList<string> peers)
    {
        string prefix = $"colo.vms.{vm}";
        if (!NamePattern().IsMatch(vm))
        {
            keys.Wrong(
                prefix, "is no name of a VM; expected 1 to 32 letters, digits, '-' and '_', a letter or digit first");
        }

        KeyReader own = keys.WithDefaults(prefix, "colo.vm-defaults");
        string guest = own.Text($"{prefix}.guest");
        string kernel = own.File($"{prefix}.kernel");
        var backend = own.Choice<VmBackendKind>($"{prefix}.backend");
        if (backend == VmBackendKind.Embedded && guest.Length == 0 && kernel.Length == 0)
        {
            own.Wrong(prefix, "has neither guest nor kernel");
        }

        if (guest is not ("" or "debian" or "debian-redis"))
        {
            own.Wrong($"{prefix}.guest", $"is '{guest}', expected debian or debian-redis");
        }

        CheckpointOptions checkpoint = ReadCheckpoint(own, prefix);
        IReadOnlyList<VmDisk> disks = ReadDisks(own, prefix);
        VmQemu? qemu = backend == VmBackendKind.Qemu
            ? QemuKeys.Read(own, prefix, checkpoint, disks, guest.Length + kernel.Length > 0) : null;
        return new VmDefinition
        {
            Name = vm,
            Backend = backend,
            Guest = guest,
            Kernel = kernel,
            Initrd = own.File($"{prefix}.initrd"),
            Append = own.Text($"{prefix}.append"),
            // What the machine's memory, and QEMU's -m, are counted in.
            MemoryBytes = own.Bytes(
                $"{prefix}.memory", 16 * MiB, 65536 * MiB, (backend == VmBackendKind.Embedded ? 2 : 1) * MiB),
            Harts = (int)own.Number($"{prefix}.harts", 1, 8),
            Nodes = ReadNodes(own, prefix, node, peers),
            Disks = disks,
            Nics = ReadNics(own, prefix, vm),
            Checkpoint = checkpoint,
            PageChannels = (int)own.Number($"{prefix}.checkpoint.channels", 1, 16),
            CheckpointMemoryLimitBytes = own.Bytes($"{prefix}.checkpoint.memory-limit", MiB, 65536 * MiB),
            CompareTimeout = own.Duration($"{prefix}.compare.timeout"),
            CompareQueuePackets = (int)own.Number($"{prefix}.compare.queue", 1, 1 << 20),
            DiskLagLimitBytes = own.Bytes($"{prefix}.disk.lag-limit", DiskLinkOptions.LagBytesMin, 65536 * MiB),
            DiskLagTimeout = own.Duration($"{prefix}.disk.lag-timeout"),
            DiskBufferMemoryBytes = own.Bytes($"{prefix}.disk.buffer-memory", MiB, 65536 * MiB),
            DiskBufferLimitBytes = own.Bytes($"{prefix}.disk.buffer-limit", MiB, 1L << 42),
            ResyncBytesPerSecond = own.Bytes($"{prefix}.resync.rate", 0, long.MaxValue),
            Check = ReadCheck(own, prefix),
            Qemu = qemu,
        };
    }

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]
    private static partial Regex NamePattern();

    private static CheckpointOptions ReadCheckpoint(KeyReader keys, string prefix)
    {
        var options = new CheckpointOptions
        {
            Mode = keys.Choice<ReplicationMode>($"{prefix}.mode"),
            ColoPeriod = keys.Duration($"{prefix}.checkpoint.period"),
            PeriodicPeriod = keys.Duration($"{prefix}.checkpoint.periodic"),
            Floor = keys.Duration($"{prefix}.checkpoint.floor"),
        };
        foreach (string problem in options.Validate())
        {
            keys.Wrong($"{prefix}.checkpoint", problem);
        }

        return options;
    }

    private static VmCheck? ReadCheck(KeyReader keys, string prefix)
    {
        if (keys.Address($"{prefix}.check.address") is not { } address)
        {
            return null;
        }

        var check = new VmCheck(
            address, keys.Duration($"{prefix}.check.interval"), (int)keys.Number($"{prefix}.check.misses", 1, 1000))
        {
            By = keys.Choice<VmCheckQuestion>($"{prefix}.check.by"),
            Then = keys.Choice<VmCheckAction>($"{prefix}.check.then"),
        };
        bool hasBridge = keys.Objects($"{prefix}.nics").Take(1)
            .Any(nic => KeyReader.Member(nic.Item2, "bridge").Length > 0);
        if (check.By == VmCheckQuestion.Arp
            && (!hasBridge || address.AddressFamily != System.Net.Sockets.AddressFamily.InterNetwork))
        {
            keys.Wrong(
                $"{prefix}.check.by", "is arp; expected an IPv4 address, and a bridge of the first nic to ask on");
        }

        return check;
    }

    private static IReadOnlyList<string> ReadNodes(
        KeyReader keys, string prefix, string node, IReadOnlyList<string> peers)
    {
        IReadOnlyList<string> nodes = keys.Texts($"{prefix}.nodes");
        foreach (string name in nodes)
        {
            if (name != node && !peers.Contains(name))
            {
                keys.Wrong($"{prefix}.nodes", $"has '{name}', expected this node or one of colo.peers");
            }
        }

        if (nodes.Count == 0 || nodes.Distinct().Count() != nodes.Count)
        {
            keys.Wrong($"{prefix}.nodes", "must name at least one node, each once");
        }

        return nodes;
    }

    private static List<VmDisk> ReadDisks(KeyReader keys, string prefix)
    {
        var disks = new List<VmDisk>();
        foreach ((string key, HoconObject item) in keys.Objects($"{prefix}.disks"))
        {
            keys.CheckMembers(key, item, "path", "mode", "readonly", "serial", "size", "format", "device");
            string path = KeyReader.Member(item, "path");
            string mode = KeyReader.Member(item, "mode", "replicated");
            string readOnly = KeyReader.Member(item, "readonly", "off");
            if (path.Length == 0)
            {
                keys.Wrong(key, "has no path");
            }

            if (!Enum.TryParse(mode, ignoreCase: true, out VmDiskMode kind) || !char.IsAsciiLetter(mode[0]))
            {
                keys.Wrong(key, $"has mode '{mode}', expected replicated, shared or local");
            }

            if (kind == VmDiskMode.Shared && readOnly is "on" or "true")
            {
                keys.Wrong(key, "is shared and read-only; expected mode local for a disk that nobody changes");
            }

            if (readOnly is not ("on" or "off" or "true" or "false"))
            {
                keys.Wrong(key, $"has readonly '{readOnly}', expected on or off");
            }

            string size = KeyReader.Member(item, "size");
            if (!TryParseSize(size, out long sizeBytes))
            {
                keys.Wrong(key, $"has size '{size}', expected bytes, or a number with K, M, G or T, a multiple of 512");
            }

            disks.Add(new VmDisk(path, kind, readOnly is "on" or "true", KeyReader.Member(item, "serial"))
            {
                SizeBytes = sizeBytes,
                Format = KeyReader.Member(item, "format", "raw"),
                Device = KeyReader.Member(item, "device", "virtio-blk-pci"),
            });
        }

        return disks;
    }

    /// <summary>Bytes, or a number with a binary unit as qemu-img takes it; an empty text is zero.</summary>
    private static bool TryParseSize(string text, out long bytes)
    {
        bytes = 0;
        if (text.Length == 0)
        {
            return true;
        }

        int shift = char.ToUpperInvariant(text[^1]) switch { 'K' => 10, 'M' => 20, 'G' => 30, 'T' => 40, _ => 0 };
        bool read = long.TryParse(
            shift == 0 ? text : text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            && number > 0 && number <= (long.MaxValue >> shift);
        bytes = read ? number << shift : 0;
        return read && bytes % 512 == 0;
    }

    private static List<VmNic> ReadNics(KeyReader keys, string prefix, string vm)
    {
        var nics = new List<VmNic>();
        foreach ((string key, HoconObject item) in keys.Objects($"{prefix}.nics"))
        {
            keys.CheckMembers(key, item, "bridge", "mac", "tap", "model");
            string text = KeyReader.Member(item, "mac");
            byte[] mac = DerivedMac(vm, nics.Count);
            if (text.Length > 0 && !TryParseMac(text, out mac))
            {
                keys.Wrong(key, $"has mac '{text}', expected a unicast address such as 52:54:00:12:34:56");
            }

            string tap = KeyReader.Member(item, "tap");
            if (tap.Length > 15)
            {
                keys.Wrong(key, $"has tap '{tap}', expected at most 15 characters");
            }

            nics.Add(
                new VmNic(
                KeyReader.Member(item, "bridge"), mac, tap) { Model = KeyReader.Member(item, "model", "e1000") });
        }

        return nics;
    }

    /// <summary>
    /// The same on every node, because both replicas must have it: a local, unicast address from the VM's name.
    /// </summary>
    private static byte[] DerivedMac(string vm, int nic)
    {
        byte[] hash = SHA256.HashData(
            Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{vm}/{nic}")));
        return [0x52, 0x54, 0x00, hash[0], hash[1], hash[2]];
    }

    private static bool TryParseMac(string text, out byte[] mac)
    {
        mac = new byte[6];
        string[] parts = text.Split(':');
        if (parts.Length != 6)
        {
            return false;
        }

        for (int index = 0; index < 6; index++)
        {
            if (!byte.TryParse(parts[index], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out mac[index]))
            {
                return false;
            }
        }

        return (mac[0] & 1) == 0;
    }
}
