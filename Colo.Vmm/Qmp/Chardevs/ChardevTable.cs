using System.Text.Json.Nodes;
using Colo.Vmm.Net.Backends;
using Colo.Vmm.Qmp.Parts;

namespace Colo.Vmm.Qmp.Chardevs;

/// <summary>The character devices of one machine by id: chardev-add, chardev-remove, query-chardev.</summary>
internal sealed class ChardevTable : IDisposable
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, SocketChardev> _devices = new(StringComparer.Ordinal);
    private volatile bool _isEnding;

    /// <exception cref="QmpFailureException">There is none.</exception>
    public SocketChardev Find(string id)
    {
        lock (_gate)
        {
            return _devices.GetValueOrDefault(id)
                ?? throw new QmpFailureException($"Device '{id}' not found, expected the id of a chardev",
                    QmpErrorClass.DeviceNotFound);
        }
    }

    public SocketChardev? FindOrNull(string id)
    {
        lock (_gate)
        {
            return _devices.GetValueOrDefault(id);
        }
    }

    public IReadOnlyList<SocketChardev> All()
    {
        lock (_gate)
        {
            return [.. _devices.Values];
        }
    }

    /// <summary>From <c>socket,id=ID,host=H,port=P|path=P[,server=on|off][,wait=on|off][,reconnect=S]</c>.</summary>
    public void AddOption(string text)
    {
        QmpFields fields = QmpFields.Parse(text, "backend");
        fields.Choice("backend", null, "socket");
        string id = fields.Text("id");
        StreamEndpoint address = SocketAddress.ReadOptions(fields);
        // On QEMU's command line a server waits unless it is told not to.
        SocketChardevOptions options = ReadSocket(id, address, fields, serverByDefault: false, waitByDefault: true);
        fields.End();
        Add(options);
    }

    /// <summary>chardev-add: {id, backend: {type: socket, data: {addr, server, ...}}}.</summary>
    public QmpReply Add(QmpFields fields)
    {
        string id = fields.Text("id");
        QmpFields backend = fields.Nested("backend");
        backend.Choice("type", null, "socket");
        QmpFields data = backend.Nested("data");
        StreamEndpoint address = SocketAddress.ReadLegacy(data.Nested("addr"));
        SocketChardevOptions options = ReadSocket(id, address, data, serverByDefault: true, waitByDefault: false);
        fields.End();
        SocketChardev device = Add(options);
        if (options.WaitsForPeer && !device.WaitForPeer(() => _isEnding))
        {
            throw new QmpFailureException($"chardev '{id}': the machine ended while it waited for a peer");
        }

        return QmpReply.Done;
    }

    public QmpReply Remove(QmpFields fields)
    {
        string id = fields.Text("id");
        fields.End();
        SocketChardev? device;
        lock (_gate)
        {
            device = _devices.GetValueOrDefault(id) ?? throw new QmpFailureException($"Chardev '{id}' not found");
            if (device.IsBusy)
            {
                throw new QmpFailureException($"Chardev '{id}' is busy");
            }

            _devices.Remove(id);
        }

        device.Dispose();
        return QmpReply.Done;
    }

    public JsonArray Show() => [.. All().Select(device => new JsonObject
    {
        ["label"] = device.Id,
        ["filename"] = device.FileName,
        ["frontend-open"] = device.IsBusy,
    })];

    /// <summary>Waits for the peers of the servers that were made with wait=on; no longer than to the end of the
    /// machine.</summary>
    public void WaitForPeers(Task end)
    {
        foreach (SocketChardev device in All().Where(d => d.WaitsForPeer))
        {
            if (!device.WaitForPeer(() => end.IsCompleted))
            {
                return;
            }
        }
    }

    public void Dispose()
    {
        _isEnding = true;
        foreach (SocketChardev device in All())
        {
            device.Dispose();
        }
    }

    private static SocketChardevOptions ReadSocket(
        string id, StreamEndpoint address, QmpFields fields, bool serverByDefault, bool waitByDefault)
    {
        RequireId(id);
        bool isServer = fields.Switch("server", serverByDefault);
        fields.Switch("nodelay", true);
        if (fields.Switch("telnet", false) || fields.Switch("tn3270", false) || fields.Switch("websocket", false))
        {
            throw new QmpFailureException($"chardev '{id}': telnet and websocket are not supported");
        }

        bool waits = fields.Has("wait") ? fields.Switch("wait", waitByDefault) : isServer && waitByDefault;
        long seconds = fields.Number("reconnect", 0, 0, int.MaxValue / 1000);
        long milliseconds = fields.Number("reconnect-ms", 0, 0, int.MaxValue);
        if (seconds > 0 && milliseconds > 0)
        {
            throw new QmpFailureException($"chardev '{id}': expected 'reconnect' or 'reconnect-ms', not both");
        }

        milliseconds += seconds * 1000;
        if (isServer && milliseconds > 0)
        {
            throw new QmpFailureException($"chardev '{id}': 'reconnect' option is incompatible with server sockets");
        }

        if (!isServer && waits)
        {
            throw new QmpFailureException($"chardev '{id}': 'wait' option is incompatible with client sockets");
        }

        return new SocketChardevOptions(id, address, isServer)
        {
            WaitsForPeer = waits,
            Reconnect = milliseconds > 0 ? TimeSpan.FromMilliseconds(milliseconds) : null,
        };
    }

    /// <summary>QEMU's rule for ids: a letter, then letters, digits, '-', '.', '_'.</summary>
    public static void RequireId(string id)
    {
        bool isGood = id.Length is > 0 and <= 128 && char.IsAsciiLetter(id[0])
            && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_');
        if (!isGood)
        {
            throw new QmpFailureException(
                $"Parameter 'id' is '{id}', expected an identifier: a letter, then letters, digits, '-', '.', '_'");
        }
    }

    private SocketChardev Add(SocketChardevOptions options)
    {
        lock (_gate)
        {
            if (_devices.ContainsKey(options.Id))
            {
                throw new QmpFailureException($"Chardev with id '{options.Id}' already exists");
            }

            var device = new SocketChardev(options);
            _devices.Add(options.Id, device);
            return device;
        }
    }
}
