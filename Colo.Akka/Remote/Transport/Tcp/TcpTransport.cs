using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Akka.Actor;

namespace Akka.Remote.Transport.Tcp;

/// <summary>Listens and connects over TCP, with TLS when the settings say so.</summary>
#pragma warning disable CA1001 // ShutdownAsync is the end of it; the transport lives as long as its system.
internal sealed class TcpTransport(TcpSettings settings) : ITransport
#pragma warning restore CA1001
{
    private readonly ConcurrentDictionary<TcpLink, Task> _links = new();
    private readonly CancellationTokenSource _stopping = new();
    private Socket _listener;
    private Task _accepting = Task.CompletedTask;

    public string Protocol => settings.Tls is null ? "akka.tcp" : "akka.ssl.tcp";

    public Address Listen(string systemName, ILinkAcceptor acceptor)
    {
        try
        {
            var address = Resolve(settings.Hostname);
            _listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            // Bind takes an address that only old connections have; the option ReuseAddress would share it with another
            // listener as well (SO_REUSEPORT).
            _listener.Bind(new IPEndPoint(address, settings.Port));
            _listener.Listen(settings.Backlog);
        }
        catch (SocketException error)
        {
            _listener?.Dispose();
            throw new RemoteTransportException($"Cannot listen on {settings.Hostname}:{settings.Port}: {error.Message}", error);
        }

        var port = settings.PublicPort != 0 ? settings.PublicPort : ((IPEndPoint)_listener.LocalEndPoint).Port;
        _accepting = AcceptLoop(acceptor);
        return new Address(Protocol, systemName, settings.PublicHostname, port);
    }

    public void Connect(Address remote, ILinkHandler handler) => _ = ConnectAsync(remote, handler);

    public async Task ShutdownAsync(TimeSpan patience)
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        _listener?.Dispose();
        foreach (var link in _links.Keys)
        {
            link.Close();
        }

        var all = Task.WhenAll(_links.Values.Append(_accepting));
        await Task.WhenAny(all, Task.Delay(patience)).ConfigureAwait(false);
        foreach (var link in _links.Keys)
        {
            link.Abort();
        }

        await all.ConfigureAwait(false);
    }

    private async Task AcceptLoop(ILinkAcceptor acceptor)
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var socket = await _listener.AcceptAsync(_stopping.Token).ConfigureAwait(false);
                _ = ServeAsync(socket, acceptor);
            }
            catch (Exception error) when (TcpLink.IsConnectionError(error))
            {
                // A connection that died in the queue; the listener itself only ends with the transport.
            }
        }
    }

    private async Task ServeAsync(Socket socket, ILinkAcceptor acceptor)
    {
        var handler = acceptor.Accept();
        try
        {
            Configure(socket);
            var stream = new NetworkStream(socket, ownsSocket: true);
            if (settings.Tls is null)
            {
                await RunAsync(new TcpLink(socket, stream, FrameLimit), handler).ConfigureAwait(false);
                return;
            }

            var tls = new SslStream(stream);
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
            patience.CancelAfter(settings.ConnectionTimeout);
            await tls.AuthenticateAsServerAsync(settings.Tls.ForServer(), patience.Token).ConfigureAwait(false);
            await RunAsync(new TcpLink(socket, tls, FrameLimit), handler).ConfigureAwait(false);
        }
        catch (Exception error) when (TcpLink.IsConnectionError(error))
        {
            socket.Dispose();
            handler.Closed(new LinkClosed($"TLS handshake failed: {error.Message}", IsProtocolError: true));
        }
    }

    private async Task ConnectAsync(Address remote, ILinkHandler handler)
    {
        Socket socket = null;
        try
        {
            socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            Configure(socket);
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
            patience.CancelAfter(settings.ConnectionTimeout);
            await socket.ConnectAsync(remote.Host, remote.Port ?? 0, patience.Token).ConfigureAwait(false);
            Stream stream = new NetworkStream(socket, ownsSocket: true);
            if (settings.Tls is not null)
            {
                var tls = new SslStream(stream);
                await tls.AuthenticateAsClientAsync(settings.Tls.ForClient(remote.Host), patience.Token).ConfigureAwait(false);
                stream = tls;
            }

            await RunAsync(new TcpLink(socket, stream, FrameLimit), handler).ConfigureAwait(false);
        }
        catch (Exception error) when (TcpLink.IsConnectionError(error))
        {
            socket?.Dispose();
            var text = error is OperationCanceledException ? $"no connection within {settings.ConnectionTimeout}" : error.Message;
            handler.Closed(new LinkClosed(text, IsProtocolError: false));
        }
    }

    private int FrameLimit => settings.MaximumFrameSize + Framing.Overhead;

    private async Task RunAsync(TcpLink link, ILinkHandler handler)
    {
        var run = link.RunAsync(handler);
        _links[link] = run;
        try
        {
            if (_stopping.IsCancellationRequested)
            {
                link.Abort();
            }

            await run.ConfigureAwait(false);
        }
        finally
        {
            _links.TryRemove(link, out _);
        }
    }

    private void Configure(Socket socket)
    {
        socket.NoDelay = settings.NoDelay;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, settings.KeepAlive);
        if (settings.SendBufferSize > 0)
        {
            socket.SendBufferSize = settings.SendBufferSize;
        }

        if (settings.ReceiveBufferSize > 0)
        {
            socket.ReceiveBufferSize = settings.ReceiveBufferSize;
        }
    }

    private static IPAddress Resolve(string hostname)
    {
        if (IPAddress.TryParse(hostname, out var address))
        {
            return address;
        }

        var found = Dns.GetHostAddresses(hostname);
        return Array.Find(found, ip => ip.AddressFamily == AddressFamily.InterNetwork)
            ?? found.FirstOrDefault()
            ?? throw new SocketException((int)SocketError.HostNotFound);
    }
}
