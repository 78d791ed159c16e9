using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;
using Colo.Vmm.Links;

namespace Colo.Vmm.Tests.Links;

public sealed class DataLinkTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);
    private readonly Channel<DataLink> opened = Channel.CreateUnbounded<DataLink>();
    private readonly Channel<string> refusals = Channel.CreateUnbounded<string>();

    [Fact]
    public async Task An_accepted_link_carries_bytes_both_ways()
    {
        await using LinkListener listener = Listen(null, (_, _) => (LinkAnswer.Accepted, 7));
        var open = new LinkOpen(LinkKind.Mirror, 3, "web", 7, "node-a");

        using DataLink near = await Connect(listener, open, null);
        using DataLink far = await Opened();

        Assert.Equal(open, far.Open);
        Assert.Equal("ping", await Exchange(near, far, "ping"));
        Assert.Equal("pong", await Exchange(far, near, "pong"));
    }

    [Fact]
    public async Task A_refused_link_says_why_and_which_term_the_peer_is_in()
    {
        await using LinkListener listener = Listen(null, (_, _) => (LinkAnswer.OldTerm, 9));

        var problem = await Assert.ThrowsAsync<LinkException>(
            () => Connect(listener, new LinkOpen(LinkKind.Disk, 0, "web", 8, "node-a"), null));

        Assert.Equal(LinkAnswer.OldTerm, problem.Answer);
        Assert.Equal(9UL, problem.PeerTerm);
        Assert.Contains("term 8", await Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bytes_of_something_else_are_turned_away_and_the_next_link_opens()
    {
        await using LinkListener listener = Listen(null, (_, _) => (LinkAnswer.Accepted, 1));
        using (var stranger = new TcpClient())
        {
            await stranger.ConnectAsync(listener.LocalEndPoint);
            await stranger.GetStream().WriteAsync("GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray());
            Assert.Contains("COLOLINK", await Refusal(), StringComparison.Ordinal);
        }

        using DataLink near = await Connect(listener, new LinkOpen(LinkKind.Compare, 0, "web", 1, "node-a"), null);
        using DataLink far = await Opened();
        Assert.Equal(LinkKind.Compare, far.Open.Kind);
    }

    [Fact]
    public async Task Another_version_is_refused_by_number()
    {
        await using LinkListener listener = Listen(null, (_, _) => (LinkAnswer.Accepted, 1));
        byte[] bytes = new LinkOpen(LinkKind.Mirror, 0, "web", 1, "node-a").ToBytes();
        bytes[9] = 2;
        using var peer = new TcpClient();
        await peer.ConnectAsync(listener.LocalEndPoint);
        await peer.GetStream().WriteAsync(bytes);

        byte[] answer = new byte[LinkOpen.AnswerLength];
        await peer.GetStream().ReadExactlyAsync(answer).AsTask().WaitAsync(Hang);

        Assert.Equal((byte)LinkAnswer.WrongVersion, answer[11]);
        Assert.Contains("version 2", await Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Certificates_of_the_cluster_open_a_TLS_link_and_name_the_peer()
    {
        using X509Certificate2 authority = ClusterCertificates.CreateAuthority("test cluster", Now);
        string? subject = null;
        await using LinkListener listener = Listen(Security(authority, "node-b"), (_, peer) =>
        {
            subject = peer;
            return (LinkAnswer.Accepted, 1);
        });

        using DataLink near = await Connect(
            listener, new LinkOpen(LinkKind.Mirror, 0, "web", 1, "node-a"), Security(authority, "node-a"));
        using DataLink far = await Opened();

        Assert.Equal("node-a", subject);
        Assert.Equal("node-b", near.PeerSubject);
        Assert.Equal("hello", await Exchange(near, far, "hello"));
    }

    [Fact]
    public async Task A_certificate_of_another_authority_gets_nothing()
    {
        using X509Certificate2 authority = ClusterCertificates.CreateAuthority("test cluster", Now);
        using X509Certificate2 stranger = ClusterCertificates.CreateAuthority("test cluster", Now);
        await using LinkListener listener = Listen(Security(authority, "node-b"), (_, _) => (LinkAnswer.Accepted, 1));

        await Assert.ThrowsAnyAsync<IOException>(() => Connect(
            listener, new LinkOpen(LinkKind.Mirror, 0, "web", 1, "node-a"), Security(stranger, "node-a")));

        await Refusal();
        Assert.False(opened.Reader.TryRead(out _));
    }

    [Fact]
    public async Task Abort_ends_a_pending_read_of_the_peer()
    {
        await using LinkListener listener = Listen(null, (_, _) => (LinkAnswer.Accepted, 1));
        using DataLink near = await Connect(listener, new LinkOpen(LinkKind.Mirror, 0, "web", 1, "node-a"), null);
        using DataLink far = await Opened();
        Task<int> reading = far.Stream.ReadAsync(new byte[10]).AsTask();

        near.Abort();

        await Assert.ThrowsAsync<IOException>(() => reading.WaitAsync(Hang));
    }

    [Fact]
    public async Task Abort_ends_a_read_that_blocks_on_its_own_side()
    {
        using X509Certificate2 authority = ClusterCertificates.CreateAuthority("test cluster", Now);
        await using LinkListener listener = Listen(Security(authority, "node-b"), (_, _) => (LinkAnswer.Accepted, 1));
        using DataLink near = await Connect(
            listener, new LinkOpen(LinkKind.Mirror, 0, "web", 1, "node-a"), Security(authority, "node-a"));
        using DataLink far = await Opened();
        foreach (DataLink link in (DataLink[])[near, far])
        {
            var reading = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
            var thread = new Thread(() =>
                reading.SetResult(Record.Exception(() => link.Stream.ReadExactly(new byte[1]))));
            thread.Start();

            link.Abort();

            Assert.IsAssignableFrom<Exception>(await reading.Task.WaitAsync(Hang));
        }
    }

    [Fact]
    public async Task An_attempt_to_connect_ends_when_it_is_cancelled()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        using var cancellation = new CancellationTokenSource();
        Task<DataLink> connecting = LinkConnector.ConnectAsync(
            (IPEndPoint)silent.LocalEndpoint, new LinkOpen(LinkKind.Control, 0, "web", 1, "node-a"), null,
            cancellation.Token);
        using TcpClient reached = await silent.AcceptTcpClientAsync().WaitAsync(Hang);

        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting.WaitAsync(Hang));
    }

    [Fact]
    public async Task Plain_links_are_refused_off_loopback()
    {
        await Assert.ThrowsAsync<LinkException>(() => LinkConnector.ConnectAsync(
            new IPEndPoint(IPAddress.Parse("192.0.2.1"), 1), new LinkOpen(LinkKind.Mirror, 0, "web", 1, "a"), null, default));
    }

    private static LinkSecurity Security(X509Certificate2 authority, string node)
    {
        using X509Certificate2 own = ClusterCertificates.CreateNode(authority, node, ["127.0.0.1"], Now);
        return new LinkSecurity(
            X509CertificateLoader.LoadPkcs12(own.Export(X509ContentType.Pkcs12), null),
            X509CertificateLoader.LoadCertificate(authority.RawData));
    }

    private static Task<DataLink> Connect(LinkListener listener, LinkOpen open, LinkSecurity? security) =>
        LinkConnector.ConnectAsync(listener.LocalEndPoint, open, security, default).WaitAsync(Hang);

    private static async Task<string> Exchange(DataLink from, DataLink to, string text)
    {
        byte[] received = new byte[text.Length];
        await from.Stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes(text));
        await from.Stream.FlushAsync();
        await to.Stream.ReadExactlyAsync(received).AsTask().WaitAsync(Hang);
        return System.Text.Encoding.ASCII.GetString(received);
    }

    private LinkListener Listen(LinkSecurity? security, LinkDecision decide) => new(
        new IPEndPoint(IPAddress.Loopback, 0), security, decide,
        link => opened.Writer.TryWrite(link), sentence => refusals.Writer.TryWrite(sentence));

    private Task<DataLink> Opened() => opened.Reader.ReadAsync().AsTask().WaitAsync(Hang);

    private Task<string> Refusal() => refusals.Reader.ReadAsync().AsTask().WaitAsync(Hang);
}
