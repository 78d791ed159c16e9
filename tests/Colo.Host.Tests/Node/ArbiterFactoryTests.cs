using System.Net;
using System.Net.Sockets;
using Colo.Actors.Arbiter;
using Colo.Actors.Protocol;
using Colo.Host.Configuration;
using Colo.Host.Node;

namespace Colo.Host.Tests.Node;

public sealed class ArbiterFactoryTests
{
    private const string Nothing = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

    /// <summary>Long enough for a busy machine, and as long as this test takes at most.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(9);

    [Fact]
    public async Task An_etcd_endpoint_that_is_silent_leaves_time_for_the_others()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        using var lively = new TcpListener(IPAddress.Loopback, 0);
        lively.Start();
        Task answering = AnswerAsync(lively);
        ConfigurationLoader loader = ConfigurationLoader.Parse(
            $$"""
            colo.node { name = node-a, listen = ["127.0.0.1:7450"] }
            colo.arbiter {
              kind = etcd
              timeout = {{Patience.TotalSeconds}}s
              etcd.endpoints = ["{{UriOf(silent)}}", "{{UriOf(lively)}}"]
            }
            """,
            "file", new Dictionary<string, string>());
        NodeOptions options = NodeOptionsReader.Read(loader, out _)!;
        IArbiter arbiter = ArbiterFactory.Create(options, null!, () => null!);
        using var limit = new CancellationTokenSource(Patience);
        ArbiterAnswer answer = await arbiter.ReadAsync(new VmId("web"), limit.Token);
        Assert.Equal(new ArbiterAnswer.Refused(null, ArbiterRefusal.NoRecord), answer);
        await answering;
    }

    private static Uri UriOf(TcpListener listener) => new($"http://{listener.LocalEndpoint}/");

    /// <summary>Answers one question of any kind.</summary>
    private static async Task AnswerAsync(TcpListener listener)
    {
        using TcpClient client = await listener.AcceptTcpClientAsync();
        using NetworkStream stream = client.GetStream();
        Assert.NotEqual(0, await stream.ReadAsync(new byte[16 << 10]));
        await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes(Nothing));
    }
}
