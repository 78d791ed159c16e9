using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Colo.Vmm.Qemu;

/// <summary>
/// One QMP connection to a QEMU (docs/interop/qmp-spec of QEMU). Commands carry an id, so that out-of-band answers may
/// overtake; in-band commands are sent one after another, because QEMU stops reading at eight. Events are handed over
/// in order on the reading task. Whatever the other end sends, nothing is thrown but <see cref="QmpException"/> out of
/// the command that waits; garbage ends the connection.
/// </summary>
public sealed class QmpClient : IAsyncDisposable
{
    private const int ObjectLengthMax = 16 << 20;

    private readonly Stream stream;
    private readonly Action<QmpEvent> received;
    private readonly ConcurrentDictionary<string, TaskCompletionSource<JsonElement>> waiting = new();
    private readonly TaskCompletionSource<JsonElement> greeting = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SemaphoreSlim sending = new(1, 1);
    private readonly SemaphoreSlim inBand = new(1, 1);
    private readonly CancellationTokenSource stopping = new();
    private readonly TaskCompletionSource<string> closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task reading;
    private readonly TimeProvider time;
    private long lastId;

    private QmpClient(Stream stream, Action<QmpEvent> received, TimeProvider time)
    {
        this.stream = stream;
        this.received = received;
        this.time = time;
        reading = Task.Run(ReadAsync);
    }

    /// <summary>Ends, with a sentence that says why, when the connection does.</summary>
    public Task<string> Closed => closed.Task;

    /// <summary>QEMU's version as in its greeting.</summary>
    public QemuVersion Version { get; private set; } = new(0, 0, 0);

    /// <summary>Whether commands may be sent out of band.</summary>
    public bool HasOutOfBand { get; private set; }

    /// <summary>Connects to a unix socket, reads the greeting and leaves negotiation mode.</summary>
    /// <param name="socketPath">The <c>-qmp unix:PATH</c> socket.</param>
    /// <param name="received">Called for each event.</param>
    /// <param name="timeout">For the whole negotiation.</param>
    /// <param name="time">Clock of the time-outs.</param>
    /// <exception cref="QmpException">The negotiation failed or took too long.</exception>
    /// <exception cref="SocketException">Nobody listens there.</exception>
    public static async Task<QmpClient> ConnectAsync(
        string socketPath, Action<QmpEvent> received, TimeSpan timeout, TimeProvider time, CancellationToken cancellation = default)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellation).ConfigureAwait(false);
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        return await NegotiateAsync(new NetworkStream(socket, ownsSocket: true), received, timeout, time).ConfigureAwait(false);
    }

    /// <summary>As <see cref="ConnectAsync"/>, on a stream that is connected already.</summary>
    public static async Task<QmpClient> NegotiateAsync(
        Stream stream, Action<QmpEvent> received, TimeSpan timeout, TimeProvider time)
    {
        var client = new QmpClient(stream, received, time);
        try
        {
            JsonElement hello = await client.WithTimeout(client.greeting.Task, "greeting", timeout).ConfigureAwait(false);
            client.ReadGreeting(hello);
            JsonObject? arguments = client.HasOutOfBand ? new JsonObject { ["enable"] = new JsonArray("oob") } : null;
            await client.ExecuteAsync("qmp_capabilities", arguments, timeout).ConfigureAwait(false);
            return client;
        }
        catch
        {
            await client.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Sends a command and waits for its answer.</summary>
    /// <param name="command">Name of the command.</param>
    /// <param name="arguments">Its arguments, or null.</param>
    /// <param name="timeout">After it the answer is given up; whether the command was carried out is then
    /// unknown.</param>
    /// <returns>The value that QEMU returned.</returns>
    /// <exception cref="QmpException">Refused, timed out, or the connection ended.</exception>
    public async Task<JsonElement> ExecuteAsync(string command, JsonObject? arguments, TimeSpan timeout)
    {
        long began = time.GetTimestamp();
        if (!await inBand.WaitAsync(timeout).ConfigureAwait(false))
        {
            throw new QmpException(command, QmpException.Timeout, "an earlier command is still not answered");
        }

        try
        {
            return await SendAsync("execute", command, arguments, timeout - time.GetElapsedTime(began)).ConfigureAwait(false);
        }
        finally
        {
            inBand.Release();
        }
    }

    /// <summary>Sends a command out of band: it is carried out although the main loop or an earlier command
    /// hangs.</summary>
    /// <exception cref="QmpException">Refused, timed out, not offered, or the connection ended.</exception>
    public Task<JsonElement> ExecuteOutOfBandAsync(string command, JsonObject? arguments, TimeSpan timeout) =>
        HasOutOfBand
            ? SendAsync("exec-oob", command, arguments, timeout)
            : throw new QmpException(command, "GenericError", "this QEMU offers no out-of-band execution on this socket");

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        await stream.DisposeAsync().ConfigureAwait(false);
        await reading.ConfigureAwait(false);
    }

    private async Task<JsonElement> SendAsync(string verb, string command, JsonObject? arguments, TimeSpan timeout)
    {
        string id = Interlocked.Increment(ref lastId).ToString(CultureInfo.InvariantCulture);
        var request = new JsonObject { [verb] = command, ["id"] = id };
        if (arguments is not null)
        {
            request["arguments"] = arguments.DeepClone();
        }

        var answer = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        waiting[id] = answer;
        try
        {
            if (closed.Task.IsCompleted)
            {
                throw new QmpException(command, QmpException.Closed, await closed.Task.ConfigureAwait(false));
            }

            await WriteAsync(command, JsonSerializer.SerializeToUtf8Bytes(request)).ConfigureAwait(false);
            JsonElement reply = await WithTimeout(answer.Task, command, timeout).ConfigureAwait(false);
            if (reply.TryGetProperty("return", out JsonElement value))
            {
                return value;
            }

            (string errorClass, string description) = ErrorOf(reply);
            throw new QmpException(command, errorClass, description);
        }
        finally
        {
            waiting.TryRemove(id, out _);
        }
    }

    private async Task WriteAsync(string command, byte[] bytes)
    {
        await sending.WaitAsync().ConfigureAwait(false);
        try
        {
            await stream.WriteAsync(bytes, stopping.Token).ConfigureAwait(false);
            await stream.WriteAsync("\n"u8.ToArray(), stopping.Token).ConfigureAwait(false);
        }
        catch (Exception problem) when (problem is IOException or ObjectDisposedException or OperationCanceledException)
        {
            throw new QmpException(command, QmpException.Closed, problem.Message, problem);
        }
        finally
        {
            sending.Release();
        }
    }

    private async Task<JsonElement> WithTimeout(Task<JsonElement> answer, string command, TimeSpan timeout)
    {
        try
        {
            return await answer.WaitAsync(timeout > TimeSpan.Zero ? timeout : TimeSpan.Zero, time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new QmpException(command, QmpException.Timeout, $"no answer within {timeout.TotalMilliseconds:0} ms");
        }
        catch (IOException problem) when (problem is not QmpException)
        {
            throw new QmpException(command, QmpException.Closed, problem.Message, problem);
        }
    }

    private async Task ReadAsync()
    {
        string why = "the connection was closed by QEMU";
        var splitter = new JsonObjectSplitter(ObjectLengthMax);
        byte[] buffer = new byte[16 << 10];
        try
        {
            int length;
            while ((length = await stream.ReadAsync(buffer, stopping.Token).ConfigureAwait(false)) > 0)
            {
                if (!splitter.Append(buffer.AsSpan(0, length), Take))
                {
                    why = $"an object longer than {ObjectLengthMax} bytes";
                    break;
                }

                if (splitter.GarbageCount > 4096)
                {
                    why = "the other end sends something that is not QMP";
                    break;
                }
            }
        }
        catch (Exception problem) when (problem is IOException or OperationCanceledException or ObjectDisposedException or JsonException)
        {
            why = problem is JsonException ? $"not JSON: {problem.Message}" : problem.Message;
        }

        closed.TrySetResult(why);
        var end = new IOException(why);
        greeting.TrySetException(end);
        _ = greeting.Task.Exception;
        foreach (TaskCompletionSource<JsonElement> answer in waiting.Values)
        {
            answer.TrySetException(end);
        }
    }

    private void Take(ReadOnlyMemory<byte> bytes)
    {
        using JsonDocument document = JsonDocument.Parse(bytes);
        JsonElement message = document.RootElement.Clone();
        if (message.TryGetProperty("QMP", out JsonElement hello))
        {
            greeting.TrySetResult(hello);
        }
        else if (message.TryGetProperty("event", out JsonElement name) && name.ValueKind == JsonValueKind.String)
        {
            message.TryGetProperty("data", out JsonElement data);
            received(new QmpEvent(name.GetString()!, data, TimestampOf(message)));
        }
        else if (message.TryGetProperty("id", out JsonElement id) && id.ValueKind == JsonValueKind.String
            && waiting.TryGetValue(id.GetString()!, out TaskCompletionSource<JsonElement>? answer))
        {
            answer.TrySetResult(message);
        }
    }

    private void ReadGreeting(JsonElement hello)
    {
        if (hello.TryGetProperty("version", out JsonElement version) && version.TryGetProperty("qemu", out JsonElement qemu))
        {
            Version = new QemuVersion(Number(qemu, "major"), Number(qemu, "minor"), Number(qemu, "micro"));
        }

        HasOutOfBand = hello.TryGetProperty("capabilities", out JsonElement capabilities)
            && capabilities.ValueKind == JsonValueKind.Array
            && capabilities.EnumerateArray().Any(entry => entry.ValueKind == JsonValueKind.String && entry.GetString() == "oob");
    }

    private static int Number(JsonElement element, string member) =>
        element.TryGetProperty(member, out JsonElement value) && value.TryGetInt32(out int number) ? number : 0;

    private static (string Class, string Description) ErrorOf(JsonElement reply)
    {
        if (reply.TryGetProperty("error", out JsonElement error) && error.ValueKind == JsonValueKind.Object)
        {
            string? errorClass = error.TryGetProperty("class", out JsonElement name) ? name.ToString() : null;
            string? description = error.TryGetProperty("desc", out JsonElement text) ? text.ToString() : null;
            return (errorClass ?? "GenericError", description ?? "no description");
        }

        return ("GenericError", "an answer with neither return nor error");
    }

    private static DateTimeOffset TimestampOf(JsonElement message)
    {
        if (message.TryGetProperty("timestamp", out JsonElement stamp)
            && stamp.TryGetProperty("seconds", out JsonElement seconds) && seconds.TryGetInt64(out long whole)
            && stamp.TryGetProperty("microseconds", out JsonElement micros) && micros.TryGetInt64(out long part)
            && whole is >= 0 and < 253_402_300_799)
        {
            return DateTimeOffset.FromUnixTimeSeconds(whole).AddMicroseconds(part);
        }

        return default;
    }
}
