using System.Net;
using System.Net.Security;
using System.Net.Sockets;

namespace Colo.Vmm.Links;

/// <summary>Decides on a link that a peer wants to open. Called on the connection's own task; answers at
/// once.</summary>
/// <returns>The answer, and this node's term of that VM.</returns>
public delegate (LinkAnswer Answer, ulong Term) LinkDecision(LinkOpen open, string? peerSubject);

/// <summary>
/// Accepts data links on one address. What connects is hostile until it has shown a certificate of the cluster and a
/// well-formed <see cref="LinkOpen"/> within <see cref="HandshakeTimeout"/>; anything else is closed and counted, and
/// disturbs no other link.
/// </summary>
public sealed class LinkListener : IAsyncDisposable
{
    private const int PendingHandshakesMax = 64;

    private readonly Socket socket;
    private readonly LinkSecurity? security;
    private readonly LinkDecision decide;
    private readonly Action<DataLink> opened;
    private readonly Action<string> refused;
    private readonly CancellationTokenSource stopping = new();
    private readonly SemaphoreSlim handshakes = new(PendingHandshakesMax);
    private Task accepting = Task.CompletedTask;
    private long refusedCount;

    /// <param name="address">Where to listen; port 0 takes any.</param>
    /// <param name="security">Certificates; null only for a loopback address.</param>
    /// <param name="decide">Whether a link is wanted.</param>
    /// <param name="opened">Takes over an accepted link.</param>
    /// <param name="refused">Told, in one sentence, of each connection that was turned away.</param>
    /// <param name="start">False: whoever connects waits until <see cref="Start"/>; the address is taken at
    /// once.</param>
    public LinkListener(
        IPEndPoint address, LinkSecurity? security, LinkDecision decide, Action<DataLink> opened, Action<string> refused,
        bool start = true)
    {
        if (security is null && !IPAddress.IsLoopback(address.Address))
        {
            throw new ArgumentException($"data links on {address} need certificates; plain ones are for loopback only", nameof(security));
        }

        this.security = security;
        this.decide = decide;
        this.opened = opened;
        this.refused = refused;
        socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(address);
        socket.Listen(128);
        if (start)
        {
            Start();
        }
    }

    /// <summary>A peer that has not finished its handshake by then is closed.</summary>
    public static TimeSpan HandshakeTimeout { get; } = TimeSpan.FromSeconds(5);

    public IPEndPoint LocalEndPoint => (IPEndPoint)socket.LocalEndPoint!;

    /// <summary>Connections turned away so far.</summary>
    public long RefusedCount => Interlocked.Read(ref refusedCount);

    /// <summary>Begins to accept; once.</summary>
    public void Start() => accepting = Task.Run(AcceptAsync);

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        socket.Dispose();
        await accepting.ConfigureAwait(false);
        stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await handshakes.WaitAsync(stopping.Token).ConfigureAwait(false);
                Socket peer = await socket.AcceptAsync(stopping.Token).ConfigureAwait(false);
                // Blocking calls, for the reason that LinkConnector gives.
                _ = Task.Factory.StartNew(
                    () => Handshake(peer),
                    CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            }
            catch (Exception problem) when (problem is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException problem)
            {
                handshakes.Release();
                Refuse($"accept failed: {problem.Message}");
            }
        }
    }

    private void Handshake(Socket peer)
    {
        string from = peer.RemoteEndPoint?.ToString() ?? "?";
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
        limit.CancelAfter(HandshakeTimeout);
        DataLink? link = null;
        try
        {
            using CancellationTokenRegistration giveUp = limit.Token.Register(peer.Dispose);
            peer.NoDelay = true;
            Stream stream = new NetworkStream(peer, ownsSocket: false);
            if (security is not null)
            {
                var tls = new SslStream(stream);
                tls.AuthenticateAsServer(security.ServerOptions);
                stream = tls;
            }

            link = Open(peer, stream, from);
            if (!giveUp.Unregister())
            {
                link = null; // its time was over
            }
        }
        catch (Exception problem) when (problem is IOException or SocketException or OperationCanceledException
            or ObjectDisposedException or System.Security.Authentication.AuthenticationException)
        {
            Refuse($"connection from {from}: {problem.Message}");
        }
        finally
        {
            handshakes.Release();
            if (link is null)
            {
                peer.Dispose();
            }
        }

        if (link is not null)
        {
            opened(link);
        }
    }

    private DataLink? Open(Socket peer, Stream stream, string from)
    {
        byte[] head = new byte[LinkOpen.FixedLength];
        stream.ReadExactly(head);
        if (!LinkOpen.TryReadFixed(head, out int vmLength, out int hostLength, out string? error))
        {
            Refuse($"connection from {from}: {error}");
            return null;
        }

        byte[] whole = new byte[head.Length + vmLength + hostLength];
        head.CopyTo(whole, 0);
        stream.ReadExactly(whole.AsSpan(head.Length));
        if (LinkOpen.ReadVersion(whole) != LinkOpen.Version)
        {
            Refuse($"connection from {from}: version {LinkOpen.ReadVersion(whole)}, this node speaks {LinkOpen.Version}");
            Answer(stream, LinkAnswer.WrongVersion, 0);
            return null;
        }

        if (!LinkOpen.TryRead(whole, out LinkOpen? open, out error) || open is null)
        {
            Refuse($"connection from {from}: {error}");
            return null;
        }

        var link = new DataLink(open, peer, stream);
        (LinkAnswer answer, ulong term) = decide(open, link.PeerSubject);
        Answer(stream, answer, term);
        if (answer != LinkAnswer.Accepted)
        {
            Refuse($"{open.Kind} link from {open.Host} ({from}) for VM '{open.Vm}', term {open.Term}: {answer}, term here {term}");
            return null;
        }

        return link;
    }

    private static void Answer(Stream stream, LinkAnswer answer, ulong term)
    {
        stream.Write(LinkOpen.AnswerBytes(answer, term));
        stream.Flush();
    }

    private void Refuse(string sentence)
    {
        Interlocked.Increment(ref refusedCount);
        refused(sentence);
    }
}
