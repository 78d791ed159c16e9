using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Colo.Vmm.Block;
using Colo.Vmm.Block.Nbd;

namespace Colo.Vmm.Tests.Block;

/// <summary>Our client against our server, over real sockets.</summary>
public sealed class NbdTests
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    /// <summary>The client has chosen the export, and the server has not noted it yet.</summary>
    [Fact]
    public async Task An_export_that_is_withdrawn_while_a_client_negotiates_is_not_served_to_it()
    {
        using var memory = new MemoryDevice(4096);
        NbdServer? server = null;
        var time = new HandshakeTime(() => server!.Remove("disk"));
        using var made = server = new NbdServer(new NbdServerOptions { Time = time });
        Assert.True(server.Add(new NbdExport("disk", memory)));
        using var client = NbdClient.Open(Uri(server, "disk"));
        Assert.Equal(BlockStatus.PeerLost, await client.ReadAsync(0, new byte[512]).AsTask().WaitAsync(Hang));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_written_is_read_back_in_any_order_of_parallel_requests(bool later)
    {
        const int size = 4 << 20;
        using var memory = new MemoryDevice(size);
        using IBlockDevice device = later ? new LaterDevice(memory) : memory;
        using var server = new NbdServer();
        Assert.True(server.Add(new NbdExport("disk", device)));
        using var client = NbdClient.Open(Uri(server, "disk"));
        Assert.Equal(size, client.SizeBytes);
        var model = new byte[size];
        var random = new Random(17);
        for (var round = 0; round < 60; round++)
        {
            // Each round works on disjoint places, so that the order does not matter.
            var tasks = new List<Task>();
            for (var part = 0; part < 24; part++)
            {
                var at = (part * (size / 24)) & ~511;
                tasks.Add(OneAsync(at + (random.Next(60) * 512), random.Next(5), random.Next(1, 240) * 512, random.Next()));
            }

            await Task.WhenAll(tasks).WaitAsync(Hang);
        }

        var all = new byte[size];
        Assert.Equal(BlockStatus.Ok, await client.ReadAsync(0, all));
        Assert.Equal(model, all);

        async Task OneAsync(int offset, int kind, int length, int seed)
        {
            switch (kind)
            {
                case 0:
                    Assert.Equal(BlockStatus.Ok, await client.WriteZeroesAsync(offset, length, mayUnmap: seed % 2 == 0));
                    model.AsSpan(offset, length).Clear();
                    break;
                case 1:
                    Assert.Equal(BlockStatus.Ok, await client.FlushAsync());
                    break;
                case 2:
                    var read = new byte[length];
                    Assert.Equal(BlockStatus.Ok, await client.ReadAsync(offset, read));
                    Assert.True(read.AsSpan().SequenceEqual(model.AsSpan(offset, length)));
                    break;
                default:
                    var data = new byte[length];
                    new Random(seed).NextBytes(data);
                    Assert.Equal(BlockStatus.Ok, await client.WriteAsync(offset, data, forceUnitAccess: seed % 3 == 0));
                    data.CopyTo(model, offset);
                    break;
            }
        }
    }

    [Fact]
    public async Task Requests_outside_the_disk_or_of_the_wrong_kind_are_refused_by_value()
    {
        using var memory = new MemoryDevice(1 << 20);
        using var server = new NbdServer();
        server.Add(new NbdExport("", memory, Writable: false));
        using var client = NbdClient.Open(Uri(server, ""));
        Assert.True(client.IsReadOnly);
        Assert.Equal(BlockStatus.ReadOnly, await client.WriteAsync(0, new byte[512]));
        Assert.Equal(BlockStatus.OutOfRange, await client.ReadAsync(1 << 20, new byte[512]));
        Assert.Equal(BlockStatus.OutOfRange, await client.ReadAsync(1, new byte[512]));
        Assert.Equal(BlockStatus.Ok, await client.ReadAsync((1 << 20) - 512, new byte[512]));
    }

    [Fact]
    public void An_unknown_export_is_refused_with_its_name()
    {
        using var server = new NbdServer();
        server.Add(new NbdExport("one", new MemoryDevice(512)));
        var error = Assert.Throws<IOException>(() => NbdClient.Open(Uri(server, "two")));
        Assert.Contains("two", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_unix_socket_works_like_a_port()
    {
        var path = Path.Combine(Path.GetTempPath(), $"colo-nbd-{Guid.NewGuid():n}.sock");
        try
        {
            using var memory = new MemoryDevice(1 << 20);
            using var server = new NbdServer();
            server.Add(new NbdExport("a b", memory));
            server.Listen(new UnixDomainSocketEndPoint(path));
            using var client = NbdClient.Open($"nbd+unix:///a%20b?socket={path}");
            Assert.Equal(BlockStatus.Ok, await client.WriteAsync(512, new byte[512]));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task With_TLS_required_only_an_encrypted_session_is_served()
    {
        using var certificate = SelfSigned();
        using var memory = new MemoryDevice(1 << 20);
        using var server = new NbdServer(new NbdServerOptions
        {
            TlsRequired = true,
            Tls = new SslServerAuthenticationOptions { ServerCertificate = certificate },
        });
        server.Add(new NbdExport("disk", memory));
        var uri = Uri(server, "disk");
        var refused = Assert.Throws<IOException>(() => NbdClient.Open(uri));
        Assert.Contains("TLS", refused.Message, StringComparison.Ordinal);
        using var client = NbdClient.Open(uri, new NbdClientOptions
        {
            Tls = new SslClientAuthenticationOptions
            {
                TargetHost = "localhost",
                RemoteCertificateValidationCallback =
                    (_, presented, _, _) => presented?.GetCertHashString() == certificate.GetCertHashString(),
            },
        });
        var data = new byte[300 * 1024];
        new Random(5).NextBytes(data);
        Assert.Equal(BlockStatus.Ok, await client.WriteAsync(0, data));
        var read = new byte[data.Length];
        Assert.Equal(BlockStatus.Ok, await client.ReadAsync(0, read));
        Assert.Equal(data, read);
    }

    [Fact]
    public void A_server_without_TLS_is_not_talked_to_in_the_clear_when_TLS_was_asked_for()
    {
        using var server = new NbdServer();
        server.Add(new NbdExport("disk", new MemoryDevice(512)));
        Assert.Throws<IOException>(() => NbdClient.Open(
            Uri(server, "disk"), new NbdClientOptions { Tls = new SslClientAuthenticationOptions { TargetHost = "x" } }));
    }

    [Fact]
    public async Task Without_a_reconnect_delay_a_lost_server_fails_everything_at_once()
    {
        var stuck = new StuckDevice();
        var server = new NbdServer();
        server.Add(new NbdExport("disk", stuck));
        using var client = NbdClient.Open(Uri(server, "disk"));
        var pending = client.ReadAsync(0, new byte[512]).AsTask();
        await stuck.Started.WaitAsync(Hang);
        var dispose = Task.Run(server.Dispose);
        Assert.Equal(BlockStatus.PeerLost, await pending.WaitAsync(Hang));
        Assert.Equal(BlockStatus.PeerLost, await client.ReadAsync(0, new byte[512]));
        stuck.Release();
        await dispose.WaitAsync(Hang);
    }

    [Fact]
    public async Task Yank_fails_requests_of_a_hanging_server_though_a_reconnect_delay_is_set()
    {
        var stuck = new StuckDevice();
        using var server = new NbdServer();
        server.Add(new NbdExport("disk", stuck));
        using var client = NbdClient.Open(Uri(server, "disk"), new NbdClientOptions { ReconnectDelay = Hang });
        var pending = client.ReadAsync(0, new byte[512]).AsTask();
        await stuck.Started.WaitAsync(Hang);
        client.Yank();
        Assert.Equal(BlockStatus.PeerLost, await pending.WaitAsync(Hang));
        stuck.Release();
    }

    [Fact]
    public async Task With_a_reconnect_delay_requests_survive_a_restart_of_the_server()
    {
        using var memory = new MemoryDevice(1 << 20);
        var stuck = new StuckDevice();
        var first = new NbdServer();
        first.Add(new NbdExport("disk", stuck));
        // A path of this test's own: a port that the first server has given up may be somebody's before the second is
        // there.
        var path = Path.Combine(Path.GetTempPath(), $"colo-nbd-{Guid.NewGuid():n}.sock");
        var place = new UnixDomainSocketEndPoint(path);
        first.Listen(place);
        using var client = NbdClient.Open($"nbd+unix:///disk?socket={path}", new NbdClientOptions
        {
            ReconnectDelay = Hang, RetryInterval = TimeSpan.FromMilliseconds(10),
        });
        var data = new byte[4096];
        data.AsSpan().Fill(0x5a);
        var pending = client.WriteAsync(8192, data).AsTask();
        await stuck.Started.WaitAsync(Hang);
        var gone = Task.Run(first.Dispose);
        stuck.Release();
        await gone.WaitAsync(Hang);
        File.Delete(path);
        using var second = new NbdServer();
        second.Add(new NbdExport("disk", memory));
        second.Listen(place);
        Assert.Equal(BlockStatus.Ok, await pending.WaitAsync(Hang));
        var read = new byte[4096];
        Assert.Equal(BlockStatus.Ok, await client.ReadAsync(8192, read).AsTask().WaitAsync(Hang));

        // The first server may have answered the write before it went; then only the second never saw it.
        Assert.True(read[0] is 0x5a or 0);
        File.Delete(path);
    }

    [Fact]
    public void More_connections_than_allowed_are_closed_at_once()
    {
        using var server = new NbdServer(new NbdServerOptions { ConnectionsMax = 1 });
        server.Add(new NbdExport("disk", new MemoryDevice(512)));
        var uri = Uri(server, "disk");
        using var client = NbdClient.Open(uri);
        Assert.Throws<IOException>(() => NbdClient.Open(uri));
        Assert.Equal(1, server.ConnectionCount);
    }

    [Theory]
    [InlineData("nbd://host", "host", 10809, "", false)]
    [InlineData("nbd://host:12/a%2Fb", "host", 12, "a/b", false)]
    [InlineData("nbds://[::1]:7/x", "::1", 7, "x", true)]
    [InlineData("nbd:///x", "localhost", 10809, "x", false)]
    public void Addresses_are_understood(string text, string host, int port, string export, bool tls)
    {
        Assert.True(NbdUri.TryParse(text, out var uri, out _));
        Assert.Equal(new NbdUri(host, port, null, export, tls), uri);
    }

    [Theory]
    [InlineData("http://x")]
    [InlineData("nbd://x:0/")]
    [InlineData("nbd://x:99999/")]
    [InlineData("nbd+unix:///x")]
    [InlineData("nbd+unix://host/x?socket=/a")]
    public void Bad_addresses_are_refused_with_a_reason(string text)
    {
        Assert.False(NbdUri.TryParse(text, out _, out var reason));
        Assert.Contains(text, reason, StringComparison.Ordinal);
    }

    internal static string Uri(NbdServer server, string export)
    {
        var place = (IPEndPoint)server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        return $"nbd://127.0.0.1:{place.Port}/{export}";
    }

    internal static X509Certificate2 SelfSigned()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var now = DateTimeOffset.UtcNow;
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(30));
    }

    /// <summary>Tells when a handshake's time limit is taken away.</summary>
    private sealed class HandshakeTime(Action ended) : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            new Limit(ended);

        private sealed class Limit(Action ended) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period) => true;

            public void Dispose() => ended();

            public ValueTask DisposeAsync()
            {
                Dispose();
                return default;
            }
        }
    }
}
