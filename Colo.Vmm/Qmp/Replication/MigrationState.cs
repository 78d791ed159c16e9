using System.Text.Json.Nodes;

namespace Colo.Vmm.Qmp.Replication;

/// <summary>
/// Where a migration and the COLO that follows it stand, as query-migrate and query-colo-status show it, and the
/// settings that the operator has made. Changes raise the events MIGRATION (when asked for) and COLO_EXIT. Any
/// thread.
/// </summary>
internal sealed class MigrationState(Action<string, JsonObject?> sendEvent)
{
    /// <summary>QEMU's default of x-checkpoint-delay in milliseconds.</summary>
    public const uint DefaultCheckpointDelay = 20000;

    private static readonly string[] Known = ["events", "x-colo", "return-path"];
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, bool> _capabilities =
        new(Known.ToDictionary(name => name, _ => false), StringComparer.Ordinal);
    private uint _checkpointDelay = DefaultCheckpointDelay;
    private string _status = "none";
    private string? _error;
    private ReplicationRole _role;
    private ReplicationRole _lastRole;
    private string _reason = "none";
    private long _strangers;

    /// <summary>Raised when x-checkpoint-delay is set: a running primary takes a checkpoint then.</summary>
    public event Action? DelayChanged;

    public bool IsColoWanted => Capability("x-colo");

    public uint CheckpointDelay => Volatile.Read(ref _checkpointDelay);

    public string Status
    {
        get
        {
            lock (_gate)
            {
                return _status;
            }
        }
    }

    public ReplicationRole Role
    {
        get
        {
            lock (_gate)
            {
                return _role;
            }
        }
    }

    /// <summary>A migration is under way, or COLO.</summary>
    public bool IsBusy => Status is "setup" or "active" or "device" or "colo";

    public bool Capability(string name)
    {
        lock (_gate)
        {
            return _capabilities[name];
        }
    }

    /// <summary>Null, or why the capability cannot be set.</summary>
    public string? SetCapability(string name, bool value)
    {
        lock (_gate)
        {
            if (!_capabilities.ContainsKey(name))
            {
                return $"capability '{name}' is not supported, expected one of {string.Join(", ", Known)}";
            }

            _capabilities[name] = value;
            return null;
        }
    }

    public JsonArray ShowCapabilities()
    {
        lock (_gate)
        {
            return [.. _capabilities.Select(c => new JsonObject { ["capability"] = c.Key, ["state"] = c.Value })];
        }
    }

    public void SetCheckpointDelay(uint milliseconds)
    {
        Volatile.Write(ref _checkpointDelay, milliseconds);
        DelayChanged?.Invoke();
    }

    public void SetStatus(string status, string? error = null)
    {
        lock (_gate)
        {
            _status = status;
            _error = error;
        }

        if (Capability("events"))
        {
            sendEvent("MIGRATION", new JsonObject { ["status"] = status });
        }
    }

    /// <summary>Somebody connected to the incoming migration's port who was no source.</summary>
    public void CountStranger()
    {
        lock (_gate)
        {
            _strangers++;
        }
    }

    public void Enter(ReplicationRole role)
    {
        lock (_gate)
        {
            _role = role;
            _reason = "none";
        }
    }

    /// <summary>COLO broke without being asked to; the machine waits for x-colo-lost-heartbeat.</summary>
    /// <param name="error">Why, when it is known; query-migrate shows it.</param>
    public void Break(string? error)
    {
        ReplicationRole role;
        lock (_gate)
        {
            role = _role;
            _reason = "error";
            _error = error;
        }

        SendExit(role, "error");
    }

    /// <summary>The failover is done.</summary>
    public void Leave(bool wasBroken)
    {
        ReplicationRole role;
        lock (_gate)
        {
            role = _role;
            _lastRole = role;
            _role = ReplicationRole.None;
            _reason = "request";
        }

        SetStatus("completed");
        if (!wasBroken)
        {
            SendExit(role, "request");
        }
    }

    public JsonObject Show()
    {
        lock (_gate)
        {
            var shown = new JsonObject();
            if (_status != "none")
            {
                shown["status"] = _status;
            }

            if (_error is not null)
            {
                shown["error-desc"] = _error;
            }

            if (_strangers > 0)
            {
                shown["x-strangers"] = _strangers;
            }

            return shown;
        }
    }

    public JsonObject ShowColo()
    {
        lock (_gate)
        {
            return new JsonObject { ["mode"] = Text(_role), ["last-mode"] = Text(_lastRole), ["reason"] = _reason };
        }
    }

    private static string Text(ReplicationRole role) => role switch
    {
        ReplicationRole.Primary => "primary",
        ReplicationRole.Secondary => "secondary",
        _ => "none",
    };

    private void SendExit(ReplicationRole role, string reason) =>
        sendEvent("COLO_EXIT", new JsonObject { ["mode"] = Text(role), ["reason"] = reason });
}
