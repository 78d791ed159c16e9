using System.Buffers.Binary;
using System.Net.Sockets;

namespace Colo.Vmm.Net.Backends;

/// <summary>
/// Frames over a stream socket, each with its length in front as 32 bits big-endian: the framing of QEMU's stream
/// and socket netdevs and of passt. Connects, or listens and takes one peer at a time; a lost peer is tried again
/// every second.
/// <code>
///   connecting or listening -> connected -> (peer gone, frame above the limit) -> connecting or listening
/// </code>
/// While nobody is there the guest's frames are dropped and counted.
/// </summary>
public sealed class StreamBackend : INetworkBackend
{
    /// <summary>Longest frame either side may announce; QEMU's limit for its packet sockets.</summary>
    public const int FrameSizeMax = 4096 + 65536;
    private const int LengthSize = 4;
    private const int PollMicroseconds = 200_000;
    private const int StalledSendMicroseconds = 100_000;
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    private readonly StreamEndpoint _endpoint;
    private readonly Socket? _listener;
    private readonly Thread _reader;
    private readonly ManualResetEventSlim _stop = new();
    private readonly byte[] _sendBuffer = new byte[LengthSize + FrameSizeMax];
    private readonly byte[] _receiveBuffer = new byte[2 * (LengthSize + FrameSizeMax)];
    private volatile FrameHandler? _received;
    private volatile Socket? _peer;
    private int _filled;

    /// <exception cref="IOException">Listening is not possible at this address.</exception>
    public StreamBackend(StreamEndpoint endpoint, bool listen)
    {
        _endpoint = endpoint;
        _listener = listen ? Listen(endpoint) : null;
        _reader = new Thread(ReadLoop) { Name = $"colo net {endpoint}", IsBackground = true };
        _reader.Start();
    }

    public NetworkBackendMetrics Metrics { get; } = new();

    public bool IsConnected => _peer is not null;

    /// <summary>The port when listening on tcp port 0.</summary>
    public int LocalPort => _listener?.LocalEndPoint is System.Net.IPEndPoint local ? local.Port : 0;

    public FrameHandler? Received
    {
        set => _received = value;
    }

    public void Send(ReadOnlySpan<byte> frame)
    {
        if (_peer is not { } peer || frame.Length is 0 or > FrameSizeMax)
        {
            Metrics.CountDropped();
            return;
        }

        BinaryPrimitives.WriteInt32BigEndian(_sendBuffer, frame.Length);
        frame.CopyTo(_sendBuffer.AsSpan(LengthSize));
        if (TrySend(peer, _sendBuffer.AsSpan(0, LengthSize + frame.Length)))
        {
            Metrics.CountSent();
        }
        else
        {
            Metrics.CountDropped();
        }
    }

    public void Dispose()
    {
        if (_stop.IsSet)
        {
            return;
        }

        _stop.Set();
        _listener?.Dispose();
        _reader.Join();
        _peer?.Dispose();
        if (_listener is not null && _endpoint.UnixPath is { } path)
        {
            File.Delete(path);
        }
    }

    private static Socket Listen(StreamEndpoint endpoint)
    {
        var listener = NewSocket(endpoint);
        try
        {
            endpoint.RemoveStale();
            listener.Bind(endpoint.Resolve());
            listener.Listen(1);
            return listener;
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            listener.Dispose();
            throw new IOException($"{endpoint}: cannot listen: {e.Message}", e);
        }
    }

    private static Socket NewSocket(StreamEndpoint endpoint) => new(
        endpoint.AddressFamily, SocketType.Stream,
        endpoint.UnixPath is null ? ProtocolType.Tcp : ProtocolType.Unspecified);

    /// <summary>All of it or nothing; a peer that stops in the middle of a frame is given up, because framing is
    /// lost.</summary>
    private bool TrySend(Socket peer, ReadOnlySpan<byte> bytes)
    {
        bool started = false;
        while (bytes.Length > 0)
        {
            int sent = SendSome(peer, bytes, out SocketError error);
            bytes = bytes[sent..];
            started |= sent > 0;
            if (error == SocketError.Success)
            {
                continue;
            }

            if (error != SocketError.WouldBlock || (started && !WaitWritable(peer)))
            {
                Drop(peer);
                return false;
            }

            if (!started)
            {
                return false;
            }
        }

        return true;
    }

    private static int SendSome(Socket peer, ReadOnlySpan<byte> bytes, out SocketError error)
    {
        try
        {
            return peer.Send(bytes, SocketFlags.None, out error);
        }
        catch (ObjectDisposedException)
        {
            error = SocketError.ConnectionReset;
            return 0;
        }
    }

    private static bool WaitWritable(Socket peer)
    {
        try
        {
            return peer.Poll(StalledSendMicroseconds, SelectMode.SelectWrite);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }

    private void Drop(Socket peer)
    {
        if (Interlocked.CompareExchange(ref _peer, null, peer) == peer)
        {
            Metrics.CountLost();
        }

        peer.Dispose();
    }

    private void ReadLoop()
    {
        while (!_stop.IsSet)
        {
            if (Connect() is not { } peer)
            {
                _stop.Wait(RetryDelay);
                continue;
            }

            peer.Blocking = false;
            peer.SendBufferSize = 1 << 20;
            if (_endpoint.UnixPath is null)
            {
                peer.NoDelay = true;
            }

            _filled = 0;
            _peer = peer;
            while (!_stop.IsSet && ReadSome(peer))
            {
            }

            Drop(peer);
        }
    }

    private Socket? Connect()
    {
        Socket? socket = null;
        try
        {
            if (_listener is not null)
            {
                return _listener.Poll(PollMicroseconds, SelectMode.SelectRead) ? _listener.Accept() : null;
            }

            socket = NewSocket(_endpoint);
            socket.Connect(_endpoint.Resolve());
            return socket;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            socket?.Dispose();
            return null;
        }
    }

    /// <summary>Waits for bytes and hands on the frames that are complete; false when the connection is over.</summary>
    private bool ReadSome(Socket peer)
    {
        try
        {
            if (!peer.Poll(PollMicroseconds, SelectMode.SelectRead))
            {
                return _peer == peer;
            }

            int got = peer.Receive(_receiveBuffer.AsSpan(_filled), SocketFlags.None, out SocketError error);
            if (error == SocketError.WouldBlock)
            {
                return true;
            }

            if (got == 0 || error != SocketError.Success)
            {
                return false;
            }

            _filled += got;
            return Deliver();
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return false;
        }
    }

    private bool Deliver()
    {
        int at = 0;
        while (_filled - at >= LengthSize)
        {
            uint length = BinaryPrimitives.ReadUInt32BigEndian(_receiveBuffer.AsSpan(at));
            if (length > FrameSizeMax)
            {
                return false;
            }

            if (_filled - at - LengthSize < (int)length)
            {
                break;
            }

            if (length > 0)
            {
                Metrics.CountReceived();
                _received?.Invoke(_receiveBuffer.AsSpan(at + LengthSize, (int)length));
            }

            at += LengthSize + (int)length;
        }

        _receiveBuffer.AsSpan(at, _filled - at).CopyTo(_receiveBuffer);
        _filled -= at;
        return true;
    }
}
