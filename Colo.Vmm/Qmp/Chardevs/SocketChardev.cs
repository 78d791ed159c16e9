using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using Colo.Vmm.Net;
using Colo.Vmm.Net.Backends;
using Colo.Vmm.Qmp.Parts;

namespace Colo.Vmm.Qmp.Chardevs;

/// <summary>
/// A character device on a TCP or Unix stream socket, as QEMU's filters have them at both ends: one peer at a time, one
/// user at a time.
/// <code>
///   server: listening -> connected -> (peer gone) -> listening
///   client: connected -> (peer gone) -> [reconnect: connecting -> connected] or the end
/// </code>
/// A connection outlives its user: an object that is deleted leaves it as it is, and the next one goes on at the next
/// frame. Whether frames have a vnet header is settled by a connection's first user. While there is no user nothing is
/// read, so the peer's frames wait. Nothing here blocks a sender.
/// </summary>
internal sealed class SocketChardev : IDisposable
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);
    private readonly SocketChardevOptions _options;
    private readonly Lock _gate = new();
    private readonly Lock _delivery = new();
    private readonly Socket? _listener;
    private readonly ManualResetEventSlim _connected = new();
    private readonly ManualResetEventSlim _lost = new();
    private readonly ManualResetEventSlim _stop = new();
    private readonly Thread _thread;
    private volatile ChardevFrontend? _user;
    private volatile FrameStreamEndpoint? _endpoint;
    private Socket? _socket;
    private bool _hasVnetHeader;

    /// <summary>Listens, or connects for the first time.</summary>
    /// <exception cref="QmpFailureException">Neither is possible.</exception>
    public SocketChardev(SocketChardevOptions options)
    {
        _options = options;
        Socket? first = null;
        try
        {
            if (options.IsServer)
            {
                _listener = Listen(options.Address);
            }
            else if (options.Reconnect is null)
            {
                first = Connect(options.Address);
            }
        }
        catch (Exception e) when (e is SocketException or ArgumentException or IOException)
        {
            throw new QmpFailureException(options.IsServer
                ? $"chardev '{options.Id}': {options.Address}: cannot listen: {e.Message}"
                : $"Failed to connect to '{options.Address}' for chardev '{options.Id}': {e.Message}");
        }

        _thread = new Thread(() => Run(first)) { IsBackground = true, Name = $"colo chardev {options.Id}" };
        _thread.Start();
    }

    public string Id => _options.Id;

    public bool WaitsForPeer => _options.WaitsForPeer;

    public bool IsConnected => _connected.IsSet;

    public bool IsBusy => _user is not null;

    /// <summary>As query-chardev shows it.</summary>
    public string FileName
    {
        get
        {
            string address = _options.Address.ToString();
            return (IsConnected ? "" : "disconnected:") + address + (_options.IsServer ? ",server=on" : "");
        }
    }

    /// <exception cref="QmpFailureException">It has a user, or a connection with the other framing.</exception>
    public void Attach(ChardevFrontend user)
    {
        lock (_gate)
        {
            if (_user is { } other)
            {
                throw new QmpFailureException($"Device '{Id}' is in use by '{other.Id}'");
            }

            if (_endpoint is not null && _hasVnetHeader != user.HasVnetHeader)
            {
                throw new QmpFailureException(
                    $"vnet_hdr_support of '{user.Id}' is not that of the connection of chardev '{Id}', which is "
                    + (_hasVnetHeader ? "on" : "off"));
            }

            _user = user;
            if (_socket is { } socket && _endpoint is null)
            {
                Open(socket);
            }
        }
    }

    /// <summary>On return the user's handlers are not called any more.</summary>
    public void Detach(ChardevFrontend user)
    {
        lock (_gate)
        {
            if (_user == user)
            {
                _user = null;
            }
        }

        lock (_delivery)
        {
            // Whoever delivered has come out of it.
        }
    }

    /// <summary>Queues a frame; false when nobody is connected or there is no room.</summary>
    public bool TrySend(ReadOnlySpan<byte> frame, int vnetHeaderLength = 0, bool flush = true) =>
        _endpoint is { } endpoint && endpoint.TrySend(frame, vnetHeaderLength, flush);

    public void Flush() => _endpoint?.Flush();

    /// <summary>Whether everything sent so far has arrived at the peer's host; true when nobody is connected.</summary>
    public bool HasArrived => _endpoint is not { } endpoint || endpoint.HasArrived;

    /// <summary>Whether the peer has sent something that was not read yet.</summary>
    public bool HasInput => _endpoint is { HasInput: true };

    /// <summary>The user can take frames again.</summary>
    public void Resume() => _endpoint?.Resume();

    /// <summary>Ends the connection, whatever is in flight; a server and a client that reconnects go on.</summary>
    public void Yank()
    {
        lock (_gate)
        {
            Shut(_socket);
        }

        _lost.Set();
    }

    /// <summary>Waits until somebody is connected, or until it is over otherwise; looks a few times a second.</summary>
    public bool WaitForPeer(Func<bool> isOver)
    {
        while (!_connected.Wait(Look))
        {
            if (_stop.IsSet || isOver())
            {
                return false;
            }
        }

        return true;
    }

    public void Dispose()
    {
        _stop.Set();
        _listener?.Dispose();
        Yank();
        _thread.Join();
        if (_options.IsServer)
        {
            _options.Address.RemoveOwn();
        }
    }

    private static Socket NewSocket(StreamEndpoint address) => new(
        address.AddressFamily, SocketType.Stream,
        address.UnixPath is null ? ProtocolType.Tcp : ProtocolType.Unspecified);

    private static Socket Listen(StreamEndpoint address)
    {
        Socket listener = NewSocket(address);
        try
        {
            address.RemoveStale();
            // An address that only old connections have is free for the framework's Bind. Its option ReuseAddress would
            // share it with another listener as well (SO_REUSEPORT), which would get some of our peers.
            listener.Bind(address.Resolve());
            listener.Listen(1);
            return listener;
        }
        catch
        {
            listener.Dispose();
            throw;
        }
    }

    private static Socket Connect(StreamEndpoint address)
    {
        Socket socket = NewSocket(address);
        try
        {
            socket.Connect(address.Resolve());
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static void Shut(Socket? socket)
    {
        try
        {
            socket?.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The peer was faster.
        }
    }

    private void Run(Socket? first)
    {
        Socket? socket = first;
        while (!_stop.IsSet)
        {
            if (socket is null && !TryObtain(out socket))
            {
                if (_options is { IsServer: false, Reconnect: null })
                {
                    return;
                }

                _stop.Wait(_options.IsServer ? Look : _options.Reconnect!.Value);
                continue;
            }

            Serve(socket);
            socket = null;
        }
    }

    private bool TryObtain([NotNullWhen(true)] out Socket? socket)
    {
        socket = null;
        try
        {
            if (_listener is not null)
            {
                socket = _listener.Accept();
            }
            else if (_options.Reconnect is not null)
            {
                socket = Connect(_options.Address);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException
            or IOException or ArgumentException)
        {
            return false;
        }

        return socket is not null;
    }

    private void Serve(Socket socket)
    {
        lock (_gate)
        {
            _lost.Reset();
            _socket = socket;
            if (_user is not null)
            {
                Open(socket);
            }

            if (_stop.IsSet)
            {
                _lost.Set();
            }
        }

        _connected.Set();
        while (!_lost.Wait(Look))
        {
            lock (_gate)
            {
                // Under the lock: a user that comes between two looks at the socket reads what they would look for.
                if (_endpoint is null && IsGone(socket))
                {
                    break;
                }
            }
        }

        _connected.Reset();
        FrameStreamEndpoint? endpoint;
        lock (_gate)
        {
            endpoint = _endpoint;
            _endpoint = null;
            _socket = null;
        }

        endpoint?.Dispose();
        socket.Dispose();
    }

    /// <summary>While nobody reads, the end of a connection is not noticed by itself.</summary>
    private static bool IsGone(Socket socket)
    {
        try
        {
            return socket.Poll(0, SelectMode.SelectRead) && socket.Available == 0;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    private void Open(Socket socket)
    {
        _hasVnetHeader = _user!.HasVnetHeader;
        var endpoint = new FrameStreamEndpoint(socket, _hasVnetHeader, drained: () => _user?.Drained?.Invoke());
        endpoint.Closed += _lost.Set;
        _endpoint = endpoint;
        endpoint.Start(Deliver, () => _user?.BatchEnd?.Invoke());
    }

    private bool Deliver(ReadOnlySpan<byte> frame, int vnetHeaderLength)
    {
        lock (_delivery)
        {
            // A user that only sends hears nothing: what its peer says is dropped, so that its going is noticed.
            return _user is { } user && (user.Receive is null || user.Receive(frame, vnetHeaderLength));
        }
    }
}
