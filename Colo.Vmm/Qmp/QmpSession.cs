using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Colo.Vmm.Qmp;

/// <summary>
/// One client's conversation in the QEMU machine protocol, as a plain class: bytes in, lines out.
/// <code>
///   connect -> greeting -> negotiating -> qmp_capabilities -> commands and events
/// </code>
/// Commands are executed one after the other in the order they came, where <paramref name="inBand"/> puts them; what
/// comes out of band at once. Nothing that a client sends throws out of here; what cannot be understood is answered
/// with an error.
/// </summary>
internal sealed class QmpSession(
    QmpCommandTable commands, TimeProvider timeProvider, Action<byte[]> send, Action<Action> inBand)
{
    private readonly QmpFramer _framer = new();
    private readonly Lock _sendLock = new();
    private bool _negotiated;
    private volatile bool _outOfBand;

    public static JsonObject Version => new()
    {
        ["qemu"] = new JsonObject { ["major"] = 10, ["minor"] = 0, ["micro"] = 0 },
        ["package"] = "colo",
    };

    public void Greet() => Send(new JsonObject
    {
        ["QMP"] = new JsonObject { ["version"] = Version, ["capabilities"] = new JsonArray("oob") },
    });

    public void Feed(ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
        {
            if (_framer.Push(b))
            {
                Handle(_framer.Take());
            }
        }
    }

    /// <summary>Any thread. Clients that have not negotiated get no events.</summary>
    public void SendEvent(string name, JsonObject? data)
    {
        if (!Volatile.Read(ref _negotiated))
        {
            return;
        }

        long microseconds = (timeProvider.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / 10;
        var message = new JsonObject
        {
            ["timestamp"] = new JsonObject
            {
                ["seconds"] = microseconds / 1_000_000,
                ["microseconds"] = microseconds % 1_000_000,
            },
            ["event"] = name,
        };
        if (data is not null)
        {
            message["data"] = data.DeepClone();
        }

        Send(message);
    }

    private void Handle(byte[]? value)
    {
        if (value is null)
        {
            SendError(QmpErrorClass.GenericError, $"JSON value is longer than {QmpFramer.LengthMax} bytes", null);
            return;
        }

        try
        {
            // Decoding first replaces bytes that are no UTF-8.
            using JsonDocument document = JsonDocument.Parse(Encoding.UTF8.GetString(value));
            JsonElement request = document.RootElement.Clone();
            if (_outOfBand && request.ValueKind == JsonValueKind.Object && request.TryGetProperty("exec-oob", out _))
            {
                DispatchSafely(request);
            }
            else
            {
                inBand(() => DispatchSafely(request));
            }
        }
        catch (JsonException e)
        {
            SendError(QmpErrorClass.GenericError, $"JSON parse error, {e.Message}", null);
        }
    }

    private void DispatchSafely(JsonElement request)
    {
        try
        {
            Dispatch(request);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Half of a surrogate pair as \u escape in the name of a member.
            SendError(QmpErrorClass.GenericError, $"JSON parse error, {e.Message}", null);
        }
    }

    private void Dispatch(JsonElement request)
    {
        if (request.ValueKind != JsonValueKind.Object)
        {
            SendError(QmpErrorClass.GenericError, "QMP input must be a JSON object", null);
            return;
        }

        JsonNode? id = request.TryGetProperty("id", out JsonElement given) ? JsonNode.Parse(given.GetRawText()) : null;
        bool hasId = given.ValueKind != JsonValueKind.Undefined;
        QmpReply reply = ExecuteSafely(request);
        if (reply is QmpReply.Success success)
        {
            var message = new JsonObject { ["return"] = success.Value.DeepClone() };
            SendWithId(message, hasId, id);
            success.AfterReply?.Invoke();
        }
        else if (reply is QmpReply.Failure failure)
        {
            SendError(failure.Class, failure.Description, hasId ? new JsonObject { ["id"] = id } : null);
        }
    }

    /// <summary>
    /// One of the outermost catches: whatever a command did not foresee is its client's answer. Let out of here it
    /// would end the monitor for this client and all that come after it.
    /// </summary>
    private QmpReply ExecuteSafely(JsonElement request)
    {
        try
        {
            return Execute(request);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Half of a surrogate pair as \u escape in a string that is read, or a command at the wrong time.
            return QmpReply.Error($"The command cannot be carried out: {e.Message}");
        }
        catch (Exception e)
        {
            return QmpReply.Error($"The command has failed unexpectedly: {e.GetType().Name}: {e.Message}");
        }
    }

    private QmpReply Execute(JsonElement request)
    {
        if (CheckMembers(request) is { } problem)
        {
            return QmpReply.Error(problem);
        }

        bool outOfBand = request.TryGetProperty("exec-oob", out JsonElement name);
        if (!outOfBand && !request.TryGetProperty("execute", out name))
        {
            return QmpReply.Error("QMP input lacks member 'execute'");
        }

        if (name.ValueKind != JsonValueKind.String)
        {
            return QmpReply.Error("QMP input member 'execute' must be a string");
        }

        string command = name.GetString()!;
        JsonElement arguments = request.TryGetProperty("arguments", out JsonElement given) ? given : default;
        if (!_negotiated)
        {
            return command == "qmp_capabilities"
                ? Negotiate(arguments)
                : NotFound($"Expecting capabilities negotiation with 'qmp_capabilities', got '{command}'");
        }

        return commands.Find(command) is { } known
            ? Invoke(known, arguments, outOfBand)
            : NotFound($"The command {command} has not been found");
    }

    private QmpReply Invoke(QmpCommand command, JsonElement arguments, bool outOfBand)
    {
        if (outOfBand && (!_outOfBand || !command.OutOfBand))
        {
            return QmpReply.Error($"The command {command.Name} does not support OOB");
        }

        if (arguments.ValueKind == JsonValueKind.Object && command.Arguments is not null)
        {
            foreach (JsonProperty argument in arguments.EnumerateObject())
            {
                if (!command.Arguments.Contains(argument.Name))
                {
                    return QmpReply.Error($"Parameter '{argument.Name}' is unexpected");
                }
            }
        }

        return command.Handler(arguments);
    }

    private QmpReply Negotiate(JsonElement arguments)
    {
        bool outOfBand = false;
        if (arguments.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty argument in arguments.EnumerateObject())
            {
                if (argument.Name != "enable" || argument.Value.ValueKind != JsonValueKind.Array)
                {
                    return QmpReply.Error($"Parameter '{argument.Name}' is unexpected");
                }

                foreach (JsonElement capability in argument.Value.EnumerateArray())
                {
                    if (capability.ValueKind != JsonValueKind.String || capability.GetString() != "oob")
                    {
                        return QmpReply.Error($"Capability {capability.GetRawText()} is not offered, expected \"oob\"");
                    }

                    outOfBand = true;
                }
            }
        }

        _outOfBand = outOfBand;
        Volatile.Write(ref _negotiated, true);
        return QmpReply.Done;
    }

    private static string? CheckMembers(JsonElement request)
    {
        bool execute = false;
        bool outOfBand = false;
        foreach (JsonProperty member in request.EnumerateObject())
        {
            switch (member.Name)
            {
                case "execute":
                    execute = true;
                    break;
                case "exec-oob":
                    outOfBand = true;
                    break;
                case "arguments" when member.Value.ValueKind != JsonValueKind.Object:
                    return "QMP input member 'arguments' must be an object";
                case "arguments" or "id":
                    break;
                default:
                    return $"QMP input member '{member.Name}' is unexpected";
            }
        }

        return execute && outOfBand ? "QMP input member 'exec-oob' clashes with 'execute'" : null;
    }

    private static QmpReply NotFound(string description) => new QmpReply.Failure(QmpErrorClass.CommandNotFound, description);

    private void SendError(QmpErrorClass errorClass, string description, JsonObject? withId)
    {
        var message = new JsonObject
        {
            ["error"] = new JsonObject { ["class"] = errorClass.ToString(), ["desc"] = description },
        };
        SendWithId(message, withId is not null, withId?["id"]?.DeepClone());
    }

    private void SendWithId(JsonObject message, bool hasId, JsonNode? id)
    {
        if (hasId)
        {
            message["id"] = id;
        }

        Send(message);
    }

    /// <summary>JSON in ASCII, ended by CR LF, as QEMU sends it.</summary>
    private void Send(JsonObject message)
    {
        byte[] line = Encoding.ASCII.GetBytes(message.ToJsonString() + "\r\n");
        lock (_sendLock)
        {
            send(line);
        }
    }
}
