using System.Text.Json.Nodes;
using Colo.Vmm.Net;
using Colo.Vmm.Qmp.Chardevs;
using Colo.Vmm.Qmp.Parts;
using Colo.Vmm.Qmp.Replication;

namespace Colo.Vmm.Qmp.Filters;

/// <summary>The objects of one machine by id: object-add, object-del, qom-list, qom-get, qom-set.</summary>
internal sealed class ObjectTable(ChardevTable chardevs, ReplicationHooks hooks, TimeProvider time) : IDisposable
{
    private const string Root = "/objects";
    private static readonly string[] Kinds =
        ["colo-compare", "filter-buffer", "filter-mirror", "filter-redirector", "filter-rewriter", "iothread"];

    /// <summary>The longest period of a timer of the framework; one more says never to it.</summary>
    private const long TimerMillisecondsMax = uint.MaxValue - 1;

    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, IMachineObject> _objects = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FilterChain> _chains = new(StringComparer.Ordinal);

    /// <exception cref="QmpFailureException">The id is taken.</exception>
    public void AddChain(FilterChain chain)
    {
        lock (_gate)
        {
            if (!_chains.TryAdd(chain.Id, chain))
            {
                throw new QmpFailureException($"Duplicate ID '{chain.Id}' for netdev");
            }
        }
    }

    /// <summary>From <c>TYPE,id=ID,property=value,...</c>.</summary>
    public void AddOption(string text) => Add(QmpFields.Parse(text, "qom-type"));

    /// <summary>object-add: {qom-type, id, properties} or, as before QEMU 6.0, the properties in "props".</summary>
    public QmpReply Add(QmpFields fields)
    {
        string type = fields.Choice("qom-type", null, Kinds);
        string id = fields.Text("id");
        ChardevTable.RequireId(id);
        QmpFields properties = fields.Has("props") ? fields.Nested("props") : fields;
        lock (_gate)
        {
            if (_objects.ContainsKey(id))
            {
                throw new QmpFailureException($"attempt to add duplicate property '{id}' to object (type 'container')");
            }

            Func<IMachineObject> make = Prepare(type, id, properties);
            fields.End();
            _objects.Add(id, make());
        }

        return QmpReply.Done;
    }

    public QmpReply Delete(QmpFields fields)
    {
        string id = fields.Text("id");
        fields.End();
        IMachineObject? found;
        lock (_gate)
        {
            found = _objects.GetValueOrDefault(id) ?? throw new QmpFailureException($"object '{id}' not found");
            if (found is IoThreadObject
                && _objects.Values.Any(o => o.Properties.TryGetValue("iothread", out object? used) && used.Equals(id)))
            {
                throw new QmpFailureException($"object '{id}' is in use, can not be deleted");
            }

            _objects.Remove(id);
        }

        End(found);
        return QmpReply.Done;
    }

    public QmpReply List(QmpFields fields)
    {
        string path = fields.Text("path");
        fields.End();
        if (path == Root)
        {
            lock (_gate)
            {
                return new QmpReply.Success(new JsonArray([.. _objects.Values.Select(o => new JsonObject
                {
                    ["name"] = o.Id,
                    ["type"] = $"child<{o.Type}>",
                })]));
            }
        }

        return new QmpReply.Success(new JsonArray([.. At(path).Properties.Select(p => new JsonObject
        {
            ["name"] = p.Key,
            ["type"] = p.Value switch { bool => "bool", long => "int", _ => "string" },
        })]));
    }

    public QmpReply Get(QmpFields fields)
    {
        string path = fields.Text("path");
        string property = fields.Text("property");
        fields.End();
        IMachineObject found = At(path);
        return found.Properties.TryGetValue(property, out object? value)
            ? new QmpReply.Success(value switch
            {
                bool on => JsonValue.Create(on),
                long number => JsonValue.Create(number),
                _ => JsonValue.Create((string)value),
            })
            : throw new QmpFailureException($"Property '{found.Type}.{property}' not found");
    }

    public QmpReply Set(QmpFields fields)
    {
        string path = fields.Text("path");
        string property = fields.Text("property");
        IMachineObject found = At(path);
        if (!found.Properties.ContainsKey(property))
        {
            throw new QmpFailureException($"Property '{found.Type}.{property}' not found");
        }

        if (!fields.Has("value"))
        {
            throw QmpFields.Missing("value");
        }

        found.Set(property, fields);
        fields.End();
        return QmpReply.Done;
    }

    public void Dispose()
    {
        IMachineObject[] all;
        lock (_gate)
        {
            all = [.. _objects.Values];
            _objects.Clear();
        }

        foreach (IMachineObject one in all)
        {
            (one as CompareObject)?.Abandon();
            End(one);
        }
    }

    private void End(IMachineObject one)
    {
        if (one is IReplicationPart part)
        {
            hooks.Remove(part);
        }

        one.Dispose();
    }

    private IMachineObject At(string path)
    {
        lock (_gate)
        {
            return path.StartsWith(Root + "/", StringComparison.Ordinal)
                && _objects.TryGetValue(path[(Root.Length + 1)..], out IMachineObject? found)
                    ? found
                    : throw new QmpFailureException($"Device '{path}' not found", QmpErrorClass.DeviceNotFound);
        }
    }

    /// <summary>Reads everything; what it returns makes the object and puts it into its place.</summary>
    private Func<IMachineObject> Prepare(string type, string id, QmpFields fields)
    {
        switch (type)
        {
            case "iothread":
                return () => new IoThreadObject(id);
            case "colo-compare":
                CompareSettings compare = ReadCompare(id, fields);
                return () => Registered(new CompareObject(compare, hooks, time));
            default:
                return PrepareFilter(type, id, fields);
        }
    }

    private Func<IMachineObject> PrepareFilter(string type, string id, QmpFields fields)
    {
        string netdev = fields.Text("netdev");
        FilterChain chain = _chains.GetValueOrDefault(netdev)
            ?? throw new QmpFailureException(
                $"Parameter 'netdev' is '{netdev}', expected a network backend id: "
                + string.Join(", ", _chains.Keys.Order(StringComparer.Ordinal)));
        FilterQueue queue = fields.Choice("queue", "all", "all", "rx", "tx") switch
        {
            "rx" => FilterQueue.Rx,
            "tx" => FilterQueue.Tx,
            _ => FilterQueue.All,
        };
        bool isOn = fields.Choice("status", "on", "on", "off") == "on";
        string position = fields.TextOrNull("position") ?? "tail";
        bool before = fields.Choice("insert", "behind", "before", "behind") == "before";
        var settings = new FilterSettings(id, chain, queue, isOn);
        Func<NetFilter> make = type switch
        {
            "filter-mirror" => PrepareMirror(settings, fields),
            "filter-redirector" => PrepareRedirector(settings, fields),
            "filter-rewriter" => PrepareRewriter(settings, fields),
            _ => PrepareBuffer(settings, fields),
        };
        return () =>
        {
            NetFilter filter = make();
            try
            {
                chain.Insert(filter, position, before);
            }
            catch (QmpFailureException)
            {
                filter.Dispose();
                throw;
            }

            return Registered(filter);
        };
    }

    private Func<NetFilter> PrepareMirror(FilterSettings settings, QmpFields fields)
    {
        SocketChardev output = chardevs.Find(fields.Text("outdev"));
        bool vnet = fields.Switch("vnet_hdr_support", false);
        return () => new MirrorFilter(settings, output, vnet);
    }

    private Func<NetFilter> PrepareRedirector(FilterSettings settings, QmpFields fields)
    {
        string? input = fields.TextOrNull("indev");
        string? output = fields.TextOrNull("outdev");
        bool vnet = fields.Switch("vnet_hdr_support", false);
        if (input is null && output is null)
        {
            throw new QmpFailureException("filter redirector needs 'indev' or 'outdev' at least one property set");
        }

        if (input == output)
        {
            throw new QmpFailureException("'indev' and 'outdev' could not be same for filter redirector");
        }

        SocketChardev? from = input is null ? null : chardevs.Find(input);
        SocketChardev? into = output is null ? null : chardevs.Find(output);
        return () => new RedirectorFilter(settings, from, into, vnet, hooks);
    }

    private Func<NetFilter> PrepareRewriter(FilterSettings settings, QmpFields fields)
    {
        // Its frames are those of the card, which never have a vnet header here.
        fields.Switch("vnet_hdr_support", false);
        return () => new RewriterFilter(settings, time);
    }

    private Func<NetFilter> PrepareBuffer(FilterSettings settings, QmpFields fields)
    {
        long interval = fields.Has("interval") ? fields.Number("interval", 0, 1, uint.MaxValue)
            : throw QmpFields.Missing("interval");
        return () => new BufferFilter(settings, interval, time);
    }

    private CompareSettings ReadCompare(string id, QmpFields fields)
    {
        string[] names = [fields.Text("primary_in"), fields.Text("secondary_in"), fields.Text("outdev")];
        if (names.Distinct().Count() != names.Length)
        {
            throw new QmpFailureException(
                $"colo-compare '{id}': expected three different chardevs, got {string.Join(", ", names)}");
        }

        string ioThread = fields.Text("iothread");
        if (_objects.GetValueOrDefault(ioThread) is not IoThreadObject)
        {
            throw new QmpFailureException($"Device '{ioThread}' not found, expected the id of an iothread",
                QmpErrorClass.DeviceNotFound);
        }

        if (fields.Has("notify_dev"))
        {
            throw new QmpFailureException("Parameter 'notify_dev' is not supported: it is for Xen");
        }

        long timeout = fields.Number("compare_timeout", 200, 1, uint.MaxValue);
        long cycle = fields.Number("expired_scan_cycle", Math.Max(timeout / 4, 1), 1, TimerMillisecondsMax);
        long queue = fields.Number("max_queue_size", 1024, 1, int.MaxValue);
        return new CompareSettings(
            id, chardevs.Find(names[0]), chardevs.Find(names[1]), chardevs.Find(names[2]), ioThread)
        {
            HasVnetHeader = fields.Switch("vnet_hdr_support", false),
            Options = new ComparerOptions
            {
                CompareTimeout = TimeSpan.FromMilliseconds(timeout),
                QueueFramesMax = (int)queue,
            },
            ScanCycle = TimeSpan.FromMilliseconds(cycle),
        };
    }

    private T Registered<T>(T part) where T : IReplicationPart
    {
        hooks.Add(part);
        return part;
    }
}
