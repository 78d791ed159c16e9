using System.Net;
using Colo.Host.Node;

namespace Colo.Host.Tests.Node;

public class EtcdLoginTests
{
    [Fact]
    public async Task Each_request_has_the_token_and_one_that_has_expired_is_replaced_once()
    {
        string password = Path.GetTempFileName();
        await File.WriteAllTextAsync(password, "secret\n");
        var etcd = new FakeEtcd();
        using var client = new HttpClient(new EtcdLogin("colo", password, etcd));
        Assert.Equal("range with token-1", await AskAsync(client));
        Assert.Equal("range with token-1", await AskAsync(client));
        etcd.Valid = "token-2";
        Assert.Equal("range with token-2", await AskAsync(client));
        Assert.Equal(2, etcd.Logins.Count);
        Assert.All(etcd.Logins, login => Assert.Equal("""{"name":"colo","password":"secret"}""", login));
        File.Delete(password);
    }

    [Fact]
    public async Task A_refused_login_is_a_failed_request()
    {
        string password = Path.GetTempFileName();
        using var client = new HttpClient(new EtcdLogin("colo", password, new FakeEtcd { Refuses = true }));
        HttpRequestException problem = await Assert.ThrowsAsync<HttpRequestException>(() => AskAsync(client));
        Assert.Contains("refuses user 'colo'", problem.Message, StringComparison.Ordinal);
        File.Delete(password);
    }

    private static async Task<string> AskAsync(HttpClient client)
    {
        using var body = new StringContent("{}");
        using HttpResponseMessage response = await client.PostAsync(new Uri("http://etcd:2379/v3/kv/range"), body);
        return await response.Content.ReadAsStringAsync();
    }

    private sealed class FakeEtcd : HttpMessageHandler
    {
        public string Valid { get; set; } = "token-1";

        public bool Refuses { get; init; }

        public List<string> Logins { get; } = [];

        protected override async Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (request.RequestUri!.AbsolutePath == "/v3/auth/authenticate")
            {
                Logins.Add(await request.Content!.ReadAsStringAsync(cancellationToken));
                return Refuses
                    ? new HttpResponseMessage(HttpStatusCode.BadRequest)
                    : new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent($$"""{"token":"{{Valid}}"}""") };
            }

            string? token = request.Headers.Authorization?.ToString();
            return token == Valid
                ? new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent($"range with {token}") }
                : new HttpResponseMessage(HttpStatusCode.Unauthorized);
        }
    }
}
