using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Colo.Vmm.Machine;
using Colo.Vmm.Net.Backends;
using Colo.Vmm.Qmp.Parts;

namespace Colo.Vmm.Qmp.Replication;

/// <summary>
/// QEMU's migration and COLO commands on one machine, with QEMU's names and JSON: two such machines and a client
/// that sends the commands of QEMU's COLO documentation are a protected pair without a cluster. There is no
/// arbiter: who drives the monitors must not let both sides fail over.
/// </summary>
public sealed class ReplicationMonitor : IDisposable
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };
    private readonly VirtMachine _machine;
    private readonly MigrationState _state;
    private readonly ReplicationHooks _hooks;
    private readonly MachineParts? _parts;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly bool _awaitsIncoming;
    private OutgoingMigration? _outgoing;
    private IncomingMigration? _incoming;

    /// <param name="machine">The machine to migrate; not disposed of here.</param>
    /// <param name="incoming">
    /// tcp:HOST:PORT, unix:PATH, "defer" (migrate-incoming comes), or null: the machine starts here.
    /// </param>
    /// <param name="parts">What else takes part: filters, comparers, disks; null: nothing. Not disposed of
    /// here.</param>
    /// <exception cref="IOException">The incoming address cannot be used.</exception>
    public ReplicationMonitor(VirtMachine machine, string? incoming, MachineParts? parts = null)
    {
        _parts = parts;
        _hooks = parts?.Hooks ?? new ReplicationHooks();
        _machine = machine;
        _time = machine.Options.TimeProvider;
        _state = new MigrationState((name, data) => EventRaised?.Invoke(name, data));
        _awaitsIncoming = incoming is not null;
        if (incoming is not (null or "defer"))
        {
            Listen(incoming);
        }
    }

    /// <summary>An event for the monitor's client. Any thread.</summary>
    public event Action<string, JsonObject?>? EventRaised;

    /// <summary>Whether the machine waits for its state from elsewhere.</summary>
    public bool IsAwaitingIncoming => _awaitsIncoming && !_machine.IsStarted;

    public void AddCommands(QmpCommandTable commands)
    {
        ArgumentNullException.ThrowIfNull(commands);
        commands.Add("query-migrate", () => new QmpReply.Success(_state.Show()));
        commands.Add("query-colo-status", () => new QmpReply.Success(_state.ShowColo()));
        commands.Add("query-migrate-capabilities", () => new QmpReply.Success(_state.ShowCapabilities()));
        commands.Add("query-migrate-parameters", () => new QmpReply.Success(
            new JsonObject { ["x-checkpoint-delay"] = _state.CheckpointDelay }));
        commands.Add("x-colo-lost-heartbeat", LostHeartbeat);
        commands.Add(new QmpCommand("migrate-set-capabilities", SetCapabilities) { Arguments = ["capabilities"] });
        commands.Add(new QmpCommand("migrate-set-parameters", SetParameters) { Arguments = ["x-checkpoint-delay"] });
        commands.Add(new QmpCommand("migrate", Migrate) { Arguments = ["uri", "blk", "inc", "detach"] });
        commands.Add(new QmpCommand("migrate-incoming", MigrateIncoming) { Arguments = ["uri"] });
        commands.Add(new QmpCommand("yank", Yank) { Arguments = ["instances"], OutOfBand = true });
        commands.Add(new QmpCommand("query-yank", _ => new QmpReply.Success(
            new JsonArray([.. Yankables().Select(y => y.Instance)]))) { OutOfBand = true });
    }

    public void Dispose()
    {
        _outgoing?.Dispose();
        _incoming?.Dispose();
    }

    private QmpReply SetCapabilities(JsonElement arguments)
    {
        if (!QmpArgument.TryArray(arguments, "capabilities", out JsonElement list))
        {
            return QmpArgument.Missing("capabilities");
        }

        if (_state.IsBusy)
        {
            return QmpReply.Error("There's a migration process in progress");
        }

        foreach (JsonElement item in list.EnumerateArray())
        {
            if (!QmpArgument.TryText(item, "capability", out string name)
                || !QmpArgument.TryBool(item, "state", out bool value))
            {
                return QmpArgument.Missing("capability' and 'state");
            }

            if (_state.SetCapability(name, value) is { } error)
            {
                return QmpReply.Error(error);
            }
        }

        return QmpReply.Done;
    }

    private QmpReply SetParameters(JsonElement arguments)
    {
        if (!QmpArgument.TryNumber(arguments, "x-checkpoint-delay", out long delay))
        {
            return QmpReply.Done;
        }

        if (delay is < 0 or > uint.MaxValue)
        {
            return QmpReply.Error(
                $"Parameter 'x-checkpoint-delay' is {delay}, expected 0 to {uint.MaxValue} milliseconds");
        }

        _state.SetCheckpointDelay((uint)delay);
        return QmpReply.Done;
    }

    private QmpReply Migrate(JsonElement arguments)
    {
        if (!QmpArgument.TryText(arguments, "uri", out string uri))
        {
            return QmpArgument.Missing("uri");
        }

        lock (_gate)
        {
            if (_state.IsBusy || IsAwaitingIncoming)
            {
                return QmpReply.Error("There's a migration process in progress");
            }

            if (uri.StartsWith("file:", StringComparison.Ordinal))
            {
                return SaveToFile(uri["file:".Length..]);
            }

            if (!StreamEndpoint.TryParse(uri, out StreamEndpoint peer, out string error))
            {
                return QmpReply.Error($"uri {error}, or file:PATH");
            }

            _outgoing?.Dispose();
            _outgoing = new OutgoingMigration(_machine, _state, _hooks, peer, _time);
            return QmpReply.Done;
        }
    }

    /// <summary>What --restore reads. The machine stands afterwards, as after a migration to another host.</summary>
    private QmpReply SaveToFile(string path)
    {
        _machine.Pause();
        try
        {
            using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20);
            _machine.Save(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            _state.SetStatus("failed", e.Message);
            return QmpReply.Error(string.Create(CultureInfo.InvariantCulture, $"{path}: {e.Message}"));
        }

        _state.SetStatus("completed");
        return QmpReply.Done;
    }

    private QmpReply MigrateIncoming(JsonElement arguments)
    {
        if (!QmpArgument.TryText(arguments, "uri", out string uri))
        {
            return QmpArgument.Missing("uri");
        }

        lock (_gate)
        {
            if (!IsAwaitingIncoming || _incoming is not null)
            {
                return QmpReply.Error("'-incoming defer' was not given, or the machine listens already");
            }

            try
            {
                Listen(uri);
                return QmpReply.Done;
            }
            catch (IOException e)
            {
                return QmpReply.Error(e.Message);
            }
        }
    }

    private void Listen(string uri)
    {
        if (!StreamEndpoint.TryParse(uri, out StreamEndpoint address, out string error))
        {
            throw new IOException($"incoming {error}");
        }

        _incoming = new IncomingMigration(
            _machine, _state, _hooks, address, () => EventRaised?.Invoke("RESUME", null), _time);
    }

    private QmpReply LostHeartbeat()
    {
        switch (_state.Role)
        {
            case ReplicationRole.Primary:
                _outgoing?.FailOver();
                return QmpReply.Done;
            case ReplicationRole.Secondary:
                _incoming?.FailOver();
                return QmpReply.Done;
            default:
                return QmpReply.Error("VM is not in COLO mode");
        }
    }

    private List<(JsonObject Instance, Action Yank)> Yankables()
    {
        List<(JsonObject, Action)> all = [.. _parts?.Yankables() ?? []];
        if (_state.IsBusy)
        {
            all.Add((new JsonObject { ["type"] = "migration" }, YankMigration));
        }

        return all;
    }

    private QmpReply Yank(JsonElement arguments)
    {
        if (!QmpArgument.TryArray(arguments, "instances", out JsonElement list))
        {
            return QmpArgument.Missing("instances");
        }

        // All must exist before one is touched.
        List<(JsonObject Instance, Action Yank)> known = Yankables();
        var chosen = new List<Action>();
        foreach (JsonElement instance in list.EnumerateArray())
        {
            if (!TryReadNode(instance, out JsonNode? wanted))
            {
                return QmpReply.Error(
                    $"Instance {instance.GetRawText()} has a member twice, expected one as query-yank shows it");
            }

            int at = known.FindIndex(k => JsonNode.DeepEquals(k.Instance, wanted));
            if (at < 0)
            {
                return new QmpReply.Failure(QmpErrorClass.DeviceNotFound,
                    $"Instance {instance.GetRawText()} not found");
            }

            chosen.Add(known[at].Yank);
        }

        chosen.ForEach(yank => yank());
        return QmpReply.Done;
    }

    /// <summary>False when an object in it has two members of one name, which could not be compared.</summary>
    private static bool TryReadNode(JsonElement value, out JsonNode? node)
    {
        try
        {
            node = JsonNode.Parse(value.GetRawText(), documentOptions: Strict);
            return true;
        }
        catch (JsonException)
        {
            node = null;
            return false;
        }
    }

    private void YankMigration()
    {
        _outgoing?.Yank();
        _incoming?.Yank();
    }
}
