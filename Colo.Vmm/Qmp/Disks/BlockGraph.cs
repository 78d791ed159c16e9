using System.Text.Json.Nodes;
using Colo.Vmm.Block;
using Colo.Vmm.Block.Nbd;
using Colo.Vmm.Net.Backends;
using Colo.Vmm.Qmp.Chardevs;
using Colo.Vmm.Qmp.Parts;
using Colo.Vmm.Qmp.Replication;

namespace Colo.Vmm.Qmp.Disks;

/// <summary>
/// The disks of one machine and the nodes behind them by name, with the monitor's commands: blockdev-add and -del,
/// x-blockdev-change, drive-mirror and its jobs, the NBD server, and the two commands of the human monitor that QEMU's
/// COLO documentation uses.
/// </summary>
internal sealed class BlockGraph : IDisposable
{
    private static readonly TimeSpan JobEnd = TimeSpan.FromSeconds(10);
    private readonly ReplicationHooks _hooks;
    private readonly TimeProvider _time;
    private readonly Action<string, JsonObject?> _raise;
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, MachineDisk> _disks = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, BlockNode> _nodes = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, MirrorJob> _jobs = new(StringComparer.Ordinal);
    private readonly NbdExports _exports;
    private int _named;

    public BlockGraph(ReplicationHooks hooks, TimeProvider time, Action<string, JsonObject?> raise)
    {
        _hooks = hooks;
        _time = time;
        _raise = raise;
        _exports = new NbdExports(Find);
    }

    /// <summary>A guest's disk on a device of this host.</summary>
    /// <param name="id">Of the disk; null: disk and its number.</param>
    /// <param name="nodeName">Of the device below; null: a generated one.</param>
    /// <param name="device">Disposed of with the disk.</param>
    public MachineDisk AddDisk(string? id, string? nodeName, IBlockDevice device) =>
        AddDisk(id, new BlockNode(NodeName(nodeName), "raw", device, Owned: false, IsWritable: false), device, device);

    /// <summary>A secondary's disk: what it exports is the node, what the guest sees the disk.</summary>
    public MachineDisk AddSecondary(string? id, string? nodeName, string path, string bufferPath, long? memoryBytes)
    {
        var below = new SecondaryDisk(id ?? path, path, bufferPath, memoryBytes, _hooks);
        var node = new BlockNode(NodeName(nodeName), "replication", below.Export, Owned: false, IsWritable: true);
        return AddDisk(id, node, below.Device, below);
    }

    public void AddCommands(QmpCommandTable commands)
    {
        MachineParts.Add(commands, "nbd-server-start", _exports.Start);
        MachineParts.Add(commands, "nbd-server-add", _exports.AddByDevice);
        MachineParts.Add(commands, "nbd-server-remove", _exports.RemoveByName);
        MachineParts.Add(commands, "nbd-server-stop", Nothing(_exports.Stop));
        MachineParts.Add(commands, "block-export-add", _exports.AddExport);
        MachineParts.Add(commands, "block-export-del", _exports.RemoveExport);
        commands.Add("query-block-exports", () => new QmpReply.Success(_exports.Show()));
        MachineParts.Add(commands, "blockdev-add", AddNode);
        MachineParts.Add(commands, "blockdev-del", fields => DeleteNode(fields, "node-name"));
        MachineParts.Add(commands, "x-blockdev-change", ChangeChildren);
        MachineParts.Add(commands, "query-named-block-nodes", ShowNodes);
        MachineParts.Add(commands, "drive-mirror", StartMirror);
        MachineParts.Add(commands, "block-job-cancel", CancelJob);
        commands.Add("query-block-jobs", ShowJobs);
        MachineParts.Add(commands, "human-monitor-command", SayToHuman);
    }

    public IEnumerable<(string Name, Action Yank)> Yankables()
    {
        lock (_gate)
        {
            return
            [
                .. _nodes.Values.Where(n => n.Device is NbdClient)
                    .Select(n => (n.Name, (Action)((NbdClient)n.Device).Yank)),
                .. _jobs.Values.Select(j => (j.NodeName, (Action)j.Yank)),
            ];
        }
    }

    public void Dispose()
    {
        _exports.Dispose();
        MirrorJob[] jobs;
        BlockNode[] nodes;
        lock (_gate)
        {
            jobs = [.. _jobs.Values];
            nodes = [.. _nodes.Values.Where(n => n.Owned)];
            _nodes.Clear();
        }

        foreach (MirrorJob job in jobs)
        {
            job.Dispose();
        }

        foreach (BlockNode node in nodes)
        {
            node.Device.Dispose();
        }
    }

    private static Func<QmpFields, QmpReply> Nothing(Func<QmpReply> action) => fields =>
    {
        fields.End();
        return action();
    };

    private MachineDisk AddDisk(string? id, BlockNode node, IBlockDevice seen, IDisposable owned)
    {
        lock (_gate)
        {
            string name = id ?? $"disk{_disks.Count}";
            ChardevTable.RequireId(name);
            if (_disks.ContainsKey(name) || _nodes.ContainsKey(name) || !_nodes.TryAdd(node.Name, node))
            {
                owned.Dispose();
                throw new QmpFailureException($"Duplicate disk id or node name '{name}', '{node.Name}'");
            }

            var disk = new MachineDisk(
                name, new DiskChild("children.0", node.Name, seen), owned, _hooks, _time, _raise);
            _disks.Add(name, disk);
            return disk;
        }
    }

    private string NodeName(string? given)
    {
        if (given is not null)
        {
            ChardevTable.RequireId(given);
        }

        return given ?? $"#block{Interlocked.Increment(ref _named):d3}";
    }

    /// <summary>A node by its name, or a disk by its id, which is never writable from outside.</summary>
    private BlockNode Find(string name)
    {
        lock (_gate)
        {
            return _nodes.GetValueOrDefault(name)
                ?? (_disks.TryGetValue(name, out MachineDisk? disk)
                    ? new BlockNode(name, "quorum", disk, Owned: false, IsWritable: false)
                    : throw NotFound(name));
        }
    }

    private MachineDisk FindDisk(string name)
    {
        lock (_gate)
        {
            return _disks.GetValueOrDefault(name) ?? throw NotFound(name);
        }
    }

    private static QmpFailureException NotFound(string name) =>
        new($"Cannot find device='{name}' nor node-name='{name}'");

    /// <summary>
    /// {driver: nbd, node-name, server, export}, or {driver: replication, mode: primary, node-name, file: {...}}: a
    /// primary's replication node only forwards, so it is the node below by another name.
    /// </summary>
    private QmpReply AddNode(QmpFields fields)
    {
        string name = fields.Text("node-name");
        ChardevTable.RequireId(name);
        string driver = fields.Choice("driver", null, "nbd", "replication", "raw");
        QmpFields nbd = fields;
        if (driver != "nbd")
        {
            if (driver == "replication")
            {
                fields.Choice("mode", null, "primary");
            }

            nbd = fields.Nested("file");
            nbd.Choice("driver", null, "nbd");
            // A name of its own for the node below is QEMU's; there is one node here.
            nbd.TextOrNull("node-name");
        }

        NbdUri address = ReadNbd(nbd);
        nbd.Switch("detect-zeroes", true);
        fields.End();
        RequireFree(name);
        var node = new BlockNode(name, driver, Connect(address), Owned: true, IsWritable: false);
        lock (_gate)
        {
            if (!_nodes.TryAdd(name, node))
            {
                node.Device.Dispose();
                throw Taken(name);
            }
        }

        return QmpReply.Done;
    }

    private static NbdUri ReadNbd(QmpFields fields)
    {
        string export = fields.TextOrNull("export") ?? "";
        fields.Number("reconnect-delay", 0, 0, 0);
        StreamEndpoint server = fields.Has("server")
            ? SocketAddress.ReadFlat(fields.Nested("server"))
            : SocketAddress.ReadOptions(fields);
        return new NbdUri(server.Host ?? "", server.Port, server.UnixPath, export, Tls: false);
    }

    private static NbdClient Connect(NbdUri address)
    {
        try
        {
            return NbdClient.Open(address);
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException or ArgumentException)
        {
            string where = address.SocketPath ?? $"{address.Host}:{address.Port}";
            throw new QmpFailureException($"Failed to connect to '{where}', export '{address.Export}': {e.Message}");
        }
    }

    private void RequireFree(string name)
    {
        lock (_gate)
        {
            if (_nodes.ContainsKey(name) || _disks.ContainsKey(name))
            {
                throw Taken(name);
            }
        }
    }

    private static QmpFailureException Taken(string name) => new($"Duplicate nodes with node-name='{name}'");

    private QmpReply DeleteNode(QmpFields fields, string parameter)
    {
        string name = fields.Text(parameter);
        fields.End();
        BlockNode? node;
        lock (_gate)
        {
            node = _nodes.GetValueOrDefault(name)
                ?? throw new QmpFailureException($"Failed to find node with node-name='{name}'");
            if (!node.Owned)
            {
                throw new QmpFailureException($"Node {name} is not owned by the monitor");
            }

            if (_exports.Uses(name) || _disks.Values.Any(d => d.Children.Any(c => c.NodeName == name)))
            {
                throw new QmpFailureException($"Node {name} is in use");
            }

            _nodes.Remove(name);
        }

        node.Device.Dispose();
        return QmpReply.Done;
    }

    /// <summary>{parent, node} adds a child, {parent, child} removes one.</summary>
    private QmpReply ChangeChildren(QmpFields fields)
    {
        string parent = fields.Text("parent");
        string? child = fields.TextOrNull("child");
        string? added = fields.TextOrNull("node");
        fields.End();
        MachineDisk disk = FindDisk(parent);
        if (child is null == added is null)
        {
            throw new QmpFailureException(
                child is null ? "Either child or node must be specified"
                    : "The parameters child and node are in conflict");
        }

        if (child is not null)
        {
            disk.RemoveChild(child);
            return QmpReply.Done;
        }

        BlockNode node = Find(added!);
        if (!node.Owned)
        {
            throw new QmpFailureException($"Node '{added}' is in use, expected one that blockdev-add made");
        }

        disk.AddChild(node.Name, node.Device);
        return QmpReply.Done;
    }

    private QmpReply ShowNodes(QmpFields fields)
    {
        fields.Switch("flat", false);
        fields.End();
        lock (_gate)
        {
            IEnumerable<BlockNode> disks = _disks.Values.Select(d => new BlockNode(d.Id, "quorum", d, false, false));
            return new QmpReply.Success(new JsonArray([.. _nodes.Values.Concat(disks).Select(n => new JsonObject
            {
                ["node-name"] = n.Name,
                ["drv"] = n.Driver,
                ["ro"] = n.Device.IsReadOnly,
                ["image"] = new JsonObject { ["format"] = n.Driver, ["virtual-size"] = n.Device.SizeBytes },
                ["children"] = new JsonArray([.. (n.Device as MachineDisk)?.Children.Select(c => new JsonObject
                {
                    ["child"] = c.Name,
                    ["node-name"] = c.NodeName,
                }) ?? []]),
            })]));
        }
    }

    /// <summary>{device, job-id, target: nbd URI, mode: existing, format: raw, sync: full|none}.</summary>
    private QmpReply StartMirror(QmpFields fields)
    {
        string device = fields.Text("device");
        string id = fields.TextOrNull("job-id") ?? device;
        string target = fields.Text("target");
        string sync = fields.Choice("sync", null, "full", "top", "none");
        fields.Choice("format", "raw", "raw");
        fields.Choice("mode", "absolute-paths", "existing", "absolute-paths");
        fields.Number("speed", 0, 0, 0);
        fields.Choice("on-source-error", "report", "report");
        fields.Choice("on-target-error", "report", "report");
        string? nodeName = fields.TextOrNull("node-name");
        fields.End();
        ChardevTable.RequireId(id);
        MachineDisk source = FindDisk(device);
        if (!NbdUri.TryParse(target, out NbdUri? address, out string? reason) || address!.Tls)
        {
            throw new QmpFailureException($"Parameter 'target' {reason ?? $"'{target}': TLS is not supported"}");
        }

        string node = NodeName(nodeName);
        RequireFree(node);
        RequireNoJob(id, source);
        NbdClient client = Connect(address);
        if (client.SizeBytes != source.SizeBytes || client.IsReadOnly)
        {
            string found = client.IsReadOnly ? "is read-only" : $"has {client.SizeBytes} bytes";
            client.Dispose();
            throw new QmpFailureException(
                $"target '{target}' {found}, expected the {source.SizeBytes} of '{device}', writable");
        }

        var job = new MirrorJob(id, node, source, client, full: sync != "none", _raise, Forget);
        lock (_gate)
        {
            _jobs.Add(id, job);
        }

        job.Start();
        return QmpReply.Done;
    }

    private void RequireNoJob(string id, MachineDisk source)
    {
        lock (_gate)
        {
            if (_jobs.ContainsKey(id))
            {
                throw new QmpFailureException($"Job ID '{id}' already in use");
            }

            if (source.Job is { } other)
            {
                throw new QmpFailureException(
                    $"Node '{source.Id}' is busy: block device is in use by job '{other.Id}'");
            }
        }
    }

    private void Forget(MirrorJob job)
    {
        lock (_gate)
        {
            _jobs.Remove(job.Id);
        }
    }

    private QmpReply CancelJob(QmpFields fields)
    {
        string id = fields.Text("device");
        bool force = fields.Switch("force", false);
        fields.End();
        MirrorJob? job;
        lock (_gate)
        {
            job = _jobs.GetValueOrDefault(id) ?? throw new QmpFailureException(
                $"Block job '{id}' not found", QmpErrorClass.DeviceNotActive);
        }

        job.Cancel(force);
        // QEMU answers at once. Here the copy is whole when the answer comes, unless the target hangs; the event tells.
        job.WaitForEnd(JobEnd);
        return QmpReply.Done;
    }

    private QmpReply ShowJobs()
    {
        lock (_gate)
        {
            return new QmpReply.Success(new JsonArray([.. _jobs.Values.Select(j => j.Show())]));
        }
    }

    /// <summary>drive_add -n buddy OPTIONS and drive_del NODE, which the documented procedure uses; QEMU answers
    /// with the text that a person would see.</summary>
    private QmpReply SayToHuman(QmpFields fields)
    {
        string line = fields.Text("command-line").Trim();
        fields.End();
        string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        try
        {
            switch (words)
            {
                case ["drive_add", "-n", _, var options]:
                    AddNode(QmpFields.Parse(options, null));
                    break;
                case ["drive_del", var node]:
                    DeleteNode(QmpFields.Parse("node-name=" + node, null), "node-name");
                    break;
                default:
                    string name = words.Length > 0 ? words[0] : "";
                    return Text(
                        $"unknown command: '{name}', expected drive_add -n BUDDY OPTIONS or drive_del NODE\r\n");
            }

            return Text("");
        }
        catch (QmpFailureException e)
        {
            return Text($"Error: {e.Message}\r\n");
        }
    }

    private static QmpReply.Success Text(string text) => new(JsonValue.Create(text));
}
