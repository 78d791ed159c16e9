using System.Net.Sockets;
using System.Text.Json.Nodes;
using Colo.Vmm.Block.Nbd;
using Colo.Vmm.Net.Backends;
using Colo.Vmm.Qmp.Chardevs;
using Colo.Vmm.Qmp.Parts;

namespace Colo.Vmm.Qmp.Disks;

/// <summary>
/// The machine's NBD server: nbd-server-start, -add, -remove, -stop and the block-export commands that took their
/// place in QEMU. Neither encrypted nor authenticated, as in the documented procedure.
/// </summary>
internal sealed class NbdExports(Func<string, BlockNode> find) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, (string Name, string Node)> _exports = new(StringComparer.Ordinal);
    private NbdServer? _server;
    private StreamEndpoint? _address;

    /// <summary>{addr, max-connections}.</summary>
    public QmpReply Start(QmpFields fields)
    {
        StreamEndpoint address = SocketAddress.ReadLegacy(fields.Nested("addr"));
        long connections = fields.Number("max-connections", 100, 0, int.MaxValue);
        fields.End();
        lock (_gate)
        {
            if (_server is not null)
            {
                throw new QmpFailureException("NBD server already running");
            }

            var server = new NbdServer(new NbdServerOptions
            {
                ConnectionsMax = connections == 0 ? int.MaxValue : (int)connections,
            });
            try
            {
                address.RemoveStale();
                server.Listen(address.Resolve());
            }
            catch (Exception e) when (e is SocketException or ArgumentException or IOException)
            {
                server.Dispose();
                throw new QmpFailureException($"Failed to listen on {address}: {e.Message}");
            }

            _server = server;
            _address = address;
        }

        return QmpReply.Done;
    }

    /// <summary>{device, name, writable}.</summary>
    public QmpReply AddByDevice(QmpFields fields)
    {
        string device = fields.Text("device");
        string name = fields.TextOrNull("name") ?? device;
        bool writable = fields.Switch("writable", false);
        fields.End();
        Add(device, device, name, writable);
        return QmpReply.Done;
    }

    /// <summary>{type: nbd, id, node-name, name, writable}.</summary>
    public QmpReply AddExport(QmpFields fields)
    {
        fields.Choice("type", null, "nbd");
        string id = fields.Text("id");
        string node = fields.Text("node-name");
        string name = fields.TextOrNull("name") ?? node;
        bool writable = fields.Switch("writable", false);
        fields.End();
        ChardevTable.RequireId(id);
        Add(id, node, name, writable);
        return QmpReply.Done;
    }

    /// <summary>{name, mode}.</summary>
    public QmpReply RemoveByName(QmpFields fields)
    {
        string name = fields.Text("name");
        fields.Choice("mode", "safe", "safe", "hard");
        fields.End();
        lock (_gate)
        {
            string id = _exports.FirstOrDefault(e => e.Value.Name == name).Key
                ?? throw new QmpFailureException($"Export '{name}' is not found");
            Remove(id);
        }

        return QmpReply.Done;
    }

    /// <summary>{id, mode}.</summary>
    public QmpReply RemoveExport(QmpFields fields)
    {
        string id = fields.Text("id");
        fields.Choice("mode", "safe", "safe", "hard");
        fields.End();
        lock (_gate)
        {
            if (!_exports.ContainsKey(id))
            {
                throw new QmpFailureException($"Export '{id}' is not found");
            }

            Remove(id);
        }

        return QmpReply.Done;
    }

    public QmpReply Stop()
    {
        lock (_gate)
        {
            if (_server is null)
            {
                throw new QmpFailureException("NBD server not running");
            }

            Close();
        }

        return QmpReply.Done;
    }

    public JsonArray Show()
    {
        lock (_gate)
        {
            return [.. _exports.Select(e => new JsonObject
            {
                ["id"] = e.Key,
                ["type"] = "nbd",
                ["node-name"] = e.Value.Node,
                ["shutting-down"] = false,
            })];
        }
    }

    /// <summary>Whether a node is offered.</summary>
    public bool Uses(string node)
    {
        lock (_gate)
        {
            return _exports.Values.Any(e => e.Node == node);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            Close();
        }
    }

    private void Add(string id, string node, string name, bool writable)
    {
        BlockNode found = find(node);
        lock (_gate)
        {
            if (_server is null)
            {
                throw new QmpFailureException("NBD server not running");
            }

            if (writable && !found.IsWritable)
            {
                throw new QmpFailureException(
                    $"Conflicts with the guest's use of '{node}': expected writable off, or a secondary's disk");
            }

            if (_exports.ContainsKey(id))
            {
                throw new QmpFailureException($"Block export id '{id}' is already in use");
            }

            if (System.Text.Encoding.UTF8.GetByteCount(name) > 4096)
            {
                throw new QmpFailureException("Parameter 'name' has more than 4096 bytes");
            }

            if (!_server.Add(new NbdExport(name, found.Device, writable)))
            {
                throw new QmpFailureException($"NBD server already has export named '{name}'");
            }

            _exports.Add(id, (name, node));
        }
    }

    private void Remove(string id)
    {
        _server?.Remove(_exports[id].Name);
        _exports.Remove(id);
    }

    private void Close()
    {
        _server?.Dispose();
        _server = null;
        _exports.Clear();
        _address?.RemoveOwn();
        _address = null;
    }
}
