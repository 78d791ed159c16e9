using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Colo.Vmm.Block.Nbd;

/// <summary>
/// Serves block devices by the NBD protocol (fixed newstyle handshake, structured replies, base:allocation,
/// STARTTLS). A connection has a thread of its own that reads, works and answers without a switch: few connections,
/// each of which wants the shortest way from the socket to the page cache. Requests of a device that doesn't answer
/// at once run in parallel and are answered in any order. Nothing that a client sends throws out of its connection.
/// </summary>
public sealed class NbdServer : IDisposable
{
    private readonly NbdServerOptions _options;
    private readonly ConcurrentDictionary<string, NbdExport> _exports = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<NbdServerConnection, bool> _connections = new();
    private readonly List<Socket> _listeners = [];
    private readonly List<Thread> _threads = [];
    private readonly Lock _lock = new();
    private int _count;
    private volatile bool _closed;

    /// <summary>A server without exports and listeners.</summary>
    public NbdServer(NbdServerOptions? options = null) => _options = options ?? new NbdServerOptions();

    /// <summary>Connections open now.</summary>
    public int ConnectionCount => Volatile.Read(ref _count);

    /// <summary>Offers a disk; false when the name is taken.</summary>
    public bool Add(NbdExport export) => _exports.TryAdd(export.Name, export);

    /// <summary>Withdraws a disk and drops its clients; returns after the last request in flight.</summary>
    public void Remove(string name)
    {
        if (!_exports.TryRemove(name, out var export))
        {
            return;
        }

        foreach (var connection in _connections.Keys)
        {
            if (ReferenceEquals(connection.Export, export))
            {
                connection.Abort();
                connection.Join();
            }
        }
    }

    /// <summary>Accepts connections; returns where (the port when 0 was asked). Throws SocketException when the
    /// place is taken.</summary>
    public EndPoint Listen(EndPoint endPoint)
    {
        var socket = LinkStreams.CreateSocket(endPoint);
        try
        {
            socket.Bind(endPoint);
            socket.Listen(128);
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        lock (_lock)
        {
            _listeners.Add(socket);
            StartThread(() => Accept(socket), "nbd accept");
        }

        return socket.LocalEndPoint!;
    }

    /// <summary>Serves one client on a link that is there already; returns when it has gone. The stream is
    /// closed.</summary>
    public void Serve(Stream stream)
    {
        var connection = new NbdServerConnection(stream, _options, _exports);
        if (Interlocked.Increment(ref _count) > _options.ConnectionsMax || _closed)
        {
            Interlocked.Decrement(ref _count);
            LinkStreams.Abort(stream);
            return;
        }

        _connections[connection] = true;
        if (_closed)
        {
            connection.Abort();
        }

        try
        {
            connection.Run();
        }
        finally
        {
            _connections.TryRemove(connection, out _);
            Interlocked.Decrement(ref _count);
        }
    }

    /// <summary>Stops listening, drops every client and waits for the requests in flight.</summary>
    public void Dispose()
    {
        Thread[] threads;
        lock (_lock)
        {
            _closed = true;
            foreach (var listener in _listeners)
            {
                listener.Dispose();
            }

            threads = [.. _threads];
        }

        foreach (var connection in _connections.Keys)
        {
            connection.Abort();
        }

        foreach (var thread in threads)
        {
            thread.Join();
        }
    }

    private void Accept(Socket listener)
    {
        while (!_closed)
        {
            Socket client;
            try
            {
                client = listener.Accept();
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException or InvalidOperationException)
            {
                if (_closed || error is not SocketException { SocketErrorCode: SocketError.ConnectionAborted })
                {
                    return;
                }

                continue;
            }

            lock (_lock)
            {
                _threads.RemoveAll(thread => !thread.IsAlive);
                if (_closed || ConnectionCount >= _options.ConnectionsMax)
                {
                    client.Dispose();
                    continue;
                }

                LinkStreams.Tune(client);
                StartThread(() => Serve(new NetworkStream(client, ownsSocket: true)), "nbd client");
            }
        }
    }

    private void StartThread(ThreadStart run, string name)
    {
        var thread = new Thread(run, 256 * 1024) { IsBackground = true, Name = name };
        _threads.Add(thread);
        thread.Start();
    }
}
