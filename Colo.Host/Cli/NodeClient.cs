using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Colo.Host.Cluster;
using Colo.Host.Node;

namespace Colo.Host.Cli;

/// <summary>
/// The management HTTP of one node, as its clients see it. Every failure is a <see cref="ClientException"/> with the
/// exit code that docs/cli.md gives for it; problem details (RFC 9457) become their detail text.
/// </summary>
internal sealed class NodeClient : IDisposable
{
    private static readonly TimeSpan ReadTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Longer than a node waits for its own cores, so that its answer arrives.</summary>
    private static readonly TimeSpan CommandTimeout = TimeSpan.FromSeconds(150);

    private readonly HttpClient http;

    public NodeClient(Uri url, string? token, X509Certificate2Collection? authority)
    {
        var handler = new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(10), UseProxy = false };
        if (authority is not null)
        {
            handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = Trust(authority) };
        }

        http = new HttpClient(handler) { BaseAddress = url, Timeout = Timeout.InfiniteTimeSpan };
        if (token is not null)
        {
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }
    }

    public void Dispose() => http.Dispose();

    public Task<IReadOnlyList<VmView>> VmsAsync(CancellationToken cancellation) =>
        ReadAsync<IReadOnlyList<VmView>>("vms", cancellation);

    public Task<VmView> VmAsync(string vm, CancellationToken cancellation) =>
        ReadAsync<VmView>(PathOf(vm), cancellation);

    /// <summary>The events after a number that the node still knows, oldest first.</summary>
    public Task<IReadOnlyList<LoggedEvent>> EventsAsync(long after, CancellationToken cancellation) =>
        ReadAsync<IReadOnlyList<LoggedEvent>>($"events?follow=false&after={after}", cancellation);

    public Task<ClusterStatusView> StatusAsync(CancellationToken cancellation) =>
        ReadAsync<ClusterStatusView>("status", cancellation);

    /// <summary>The checks; a failed one is an answer, too.</summary>
    public async Task<HealthView> HealthAsync(CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(HttpMethod.Get, "health", null, ReadTimeout, cancellation)
            .ConfigureAwait(false);
        return response.IsSuccessStatusCode || response.StatusCode == HttpStatusCode.ServiceUnavailable
            ? await BodyOfAsync<HealthView>(response, cancellation).ConfigureAwait(false)
            : throw await FailureOfAsync(response, cancellation).ConfigureAwait(false);
    }

    /// <summary>Any other resource of the node.</summary>
    public Task<T> GetAsync<T>(string path, CancellationToken cancellation) => ReadAsync<T>(path, cancellation);

    /// <summary>A text of the node.</summary>
    public async Task<string> TextAsync(string path, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await OpenAsync(path, null, cancellation).ConfigureAwait(false);
        return await WholeAsync(response.Content.ReadAsStringAsync(cancellation)).ConfigureAwait(false);
    }

    /// <summary>What the guest's console has kept.</summary>
    public async Task<byte[]> ConsoleAsync(string vm, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await OpenAsync($"{PathOf(vm)}/console", null, cancellation)
            .ConfigureAwait(false);
        return await WholeAsync(response.Content.ReadAsByteArrayAsync(cancellation)).ConfigureAwait(false);
    }

    /// <summary>Gives any other order and waits for its end.</summary>
    /// <returns>The node's sentence.</returns>
    /// <exception cref="ClientException">Refused, failed, or the result is not known.</exception>
    public async Task<string> OrderAsync(
        HttpMethod method, string path, HttpContent? content, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(method, path, content, CommandTimeout, cancellation)
            .ConfigureAwait(false);
        return response.IsSuccessStatusCode
            ? TextOf(await BodyOfAsync<JsonElement>(response, cancellation).ConfigureAwait(false), "text")
                ?? string.Empty
            : throw await FailureOfAsync(response, cancellation).ConfigureAwait(false);
    }

    /// <summary>Whether the VM has this role here, and the VM as it is.</summary>
    public async Task<(bool Holds, VmView Vm)> IsAsync(string vm, string role, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(
            HttpMethod.Get, $"{PathOf(vm)}/{role}", null, ReadTimeout, cancellation).ConfigureAwait(false);
        if (response.StatusCode is not (HttpStatusCode.OK or HttpStatusCode.ServiceUnavailable))
        {
            throw await FailureOfAsync(response, cancellation).ConfigureAwait(false);
        }

        return (response.IsSuccessStatusCode, await BodyOfAsync<VmView>(response, cancellation).ConfigureAwait(false));
    }

    /// <summary>Sends a command and waits for its end.</summary>
    /// <returns>The node's sentence.</returns>
    /// <exception cref="ClientException">Refused, failed, or the result is not known.</exception>
    public async Task<string> CommandAsync(string vm, string verb, string query, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(
            HttpMethod.Post, $"{PathOf(vm)}/{verb}?{query}", null, CommandTimeout, cancellation).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
        {
            throw await FailureOfAsync(response, cancellation).ConfigureAwait(false);
        }

        JsonElement body = await BodyOfAsync<JsonElement>(response, cancellation).ConfigureAwait(false);
        return TextOf(body, "text") ?? string.Empty;
    }

    public async Task TypeAsync(string vm, ReadOnlyMemory<byte> keys, CancellationToken cancellation)
    {
        using var content = new ReadOnlyMemoryContent(keys);
        using HttpResponseMessage response = await SendAsync(
            HttpMethod.Post, $"{PathOf(vm)}/console", content, ReadTimeout, cancellation).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
        {
            throw await FailureOfAsync(response, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Opens an answer without end; the caller disposes it.</summary>
    public async Task<HttpResponseMessage> OpenAsync(string path, string? lastEventId, CancellationToken cancellation)
    {
        HttpResponseMessage response = await SendAsync(
            HttpMethod.Get, path, null, ReadTimeout, cancellation, lastEventId)
            .ConfigureAwait(false);
        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            throw await FailureOfAsync(response, cancellation).ConfigureAwait(false);
        }
    }

    public static string PathOf(string vm) => $"vms/{Uri.EscapeDataString(vm)}";

    private static X509ChainPolicy Trust(X509Certificate2Collection authority)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
        };
        policy.CustomTrustStore.AddRange(authority);
        return policy;
    }

    private async Task<T> ReadAsync<T>(string path, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(HttpMethod.Get, path, null, ReadTimeout, cancellation)
            .ConfigureAwait(false);
        return response.IsSuccessStatusCode
            ? await BodyOfAsync<T>(response, cancellation).ConfigureAwait(false)
            : throw await FailureOfAsync(response, cancellation).ConfigureAwait(false);
    }

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, HttpContent? content, TimeSpan timeout, CancellationToken cancellation,
        string? lastEventId = null)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        if (lastEventId is not null)
        {
            request.Headers.Add("Last-Event-ID", lastEventId);
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(timeout);
        // A change whose answer is lost may have happened.
        int lost = method != HttpMethod.Get ? ExitCode.Unknown : ExitCode.Unreachable;
        string ending = method != HttpMethod.Get
            ? "; the result is unknown, look at `colo status` and `colo events`" : string.Empty;
        try
        {
            return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token)
                .ConfigureAwait(false);
        }
        catch (HttpRequestException e) when (e.HttpRequestError is HttpRequestError.ConnectionError
            or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError)
        {
            throw new ClientException(
                ExitCode.Unreachable, $"{http.BaseAddress} cannot be reached: {e.InnerException?.Message ?? e.Message}",
                e);
        }
        catch (HttpRequestException e)
        {
            throw new ClientException(lost, $"{http.BaseAddress} broke the connection off: {e.Message}{ending}", e);
        }
        catch (OperationCanceledException e) when (
            !cancellation.IsCancellationRequested && !limit.IsCancellationRequested)
        {
            // The handler's own limit, which is for the connection: nothing was sent.
            throw new ClientException(
                ExitCode.Unreachable, $"{http.BaseAddress} cannot be reached: {e.InnerException?.Message ?? e.Message}",
                e);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new ClientException(
                lost, $"{http.BaseAddress} has not answered within {timeout.TotalSeconds} s{ending}", e);
        }
    }

    /// <summary>An answer that is worth something only to its end.</summary>
    private async Task<T> WholeAsync<T>(Task<T> body)
    {
        try
        {
            return await body.ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new ClientException(
                ExitCode.Unreachable, $"{http.BaseAddress} broke the connection off: {e.InnerException?.Message ?? e.Message}",
                e);
        }
    }

    private async Task<T> BodyOfAsync<T>(HttpResponseMessage response, CancellationToken cancellation)
    {
        try
        {
            using Stream body = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
            return await JsonSerializer.DeserializeAsync<T>(body, ClientCommand.Json, cancellation)
                .ConfigureAwait(false)
                ?? throw new JsonException("null");
        }
        catch (Exception e) when (e is JsonException or HttpRequestException or IOException)
        {
            throw new ClientException(
                ExitCode.Failed, $"{http.BaseAddress} answered with something that is not Colo's JSON: {e.Message}", e);
        }
    }

    private static async Task<ClientException> FailureOfAsync(
        HttpResponseMessage response, CancellationToken cancellation)
    {
        string text =
            $"HTTP {(int)response.StatusCode} {response.ReasonPhrase} from {response.RequestMessage?.RequestUri}";
        try
        {
            using Stream body = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
            using JsonDocument problem = await JsonDocument.ParseAsync(body, default, cancellation)
                .ConfigureAwait(false);
            text = TextOf(problem.RootElement, "detail") ?? TextOf(problem.RootElement, "title") ?? text;
            if (problem.RootElement.TryGetProperty("errors", out JsonElement errors)
                && errors.ValueKind == JsonValueKind.Array)
            {
                text += string.Concat(errors.EnumerateArray().Select(error => $"{Environment.NewLine}  {error}"));
            }
        }
        catch (Exception e) when (e is JsonException or HttpRequestException or IOException)
        {
            // No problem details: the status line has to do.
        }

        return new ClientException(ExitCodeOf(response.StatusCode), text);
    }

    private static int ExitCodeOf(HttpStatusCode status) => status switch
    {
        HttpStatusCode.BadRequest => ExitCode.Usage,
        HttpStatusCode.Conflict => ExitCode.Refused,
        HttpStatusCode.GatewayTimeout => ExitCode.Unknown,
        _ => ExitCode.Failed,
    };

    private static string? TextOf(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value)
            && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;
}
