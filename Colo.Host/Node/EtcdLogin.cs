using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Nodes;
using Colo.Host.Configuration;

namespace Colo.Host.Node;

/// <summary>
/// Puts etcd's token on each request: logs in by <c>v3/auth/authenticate</c> at the endpoint that is asked, and once
/// more when the token is no longer taken (they expire). A login that fails is a request that failed: the arbiter's
/// answer is unknown.
/// </summary>
internal sealed class EtcdLogin(string user, string passwordFile, HttpMessageHandler inner) : DelegatingHandler(inner)
{
    private string? token;

    /// <summary>The client for an etcd as the configuration describes it.</summary>
    public static HttpClient Client(ArbiterOptions options)
    {
        var sockets = new SocketsHttpHandler { UseProxy = false };
        if (options.EtcdAuthority.Length > 0)
        {
            var policy =
                new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.ImportFromPemFile(options.EtcdAuthority);
            sockets.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        }

        return new HttpClient(
            options.EtcdUser.Length > 0 ? new EtcdLogin(options.EtcdUser, options.EtcdPasswordFile, sockets) : sockets);
    }

    protected override async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request, CancellationToken cancellationToken)
    {
        token ??= await LogInAsync(request.RequestUri!, cancellationToken).ConfigureAwait(false);
        request.Headers.Authorization = token is { } first ? new AuthenticationHeaderValue(first) : null;
        if (request.Content is { } content)
        {
            await content.LoadIntoBufferAsync(cancellationToken).ConfigureAwait(false);
        }

        HttpResponseMessage response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
        if (response.StatusCode != HttpStatusCode.Unauthorized)
        {
            return response;
        }

        response.Dispose();
        token = await LogInAsync(request.RequestUri!, cancellationToken).ConfigureAwait(false);
        request.Headers.Authorization = token is { } second ? new AuthenticationHeaderValue(second) : null;
        return await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
    }

    private async Task<string?> LogInAsync(Uri asked, CancellationToken cancellation)
    {
        var body =
            new JsonObject { ["name"] = user,
            ["password"] = (await File.ReadAllTextAsync(passwordFile, cancellation).ConfigureAwait(false)).Trim() };
        using var request = new HttpRequestMessage(
            HttpMethod.Post, new Uri(asked, "/v3/auth/authenticate")) { Content = JsonContent.Create(body) };
        using HttpResponseMessage response = await base.SendAsync(request, cancellation).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
        {
            throw new HttpRequestException($"etcd refuses user '{user}': HTTP {(int)response.StatusCode}");
        }

        JsonElement answer = await response.Content.ReadFromJsonAsync<JsonElement>(cancellation).ConfigureAwait(false);
        return answer.TryGetProperty("token", out JsonElement given) ? given.GetString() : null;
    }
}
