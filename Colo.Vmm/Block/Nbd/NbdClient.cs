using System.Net.Security;
using System.Net.Sockets;

namespace Colo.Vmm.Block.Nbd;

/// <summary>
/// A disk on an NBD server. Many requests are in flight on one link. When the link breaks, requests fail with
/// PeerLost, or wait and are sent again when <see cref="NbdClientOptions.ReconnectDelay"/> says so; each is
/// idempotent, so twice is as good as once. <see cref="Yank"/> ends a hanging link from any thread.
/// <code>Connected --broken--> Waiting --reconnected--> Connected; Waiting --delay over--> Lost --reconnected-->
/// Connected</code>
/// </summary>
public sealed class NbdClient : IBlockDevice
{
    private readonly Func<Stream> _connect;
    private readonly NbdClientOptions _options;
    private readonly Stack<NbdClientRequest> _pool = new();
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _closing = new();
    private readonly int _payloadMax;
    private NbdClientRequest? _first;
    private NbdClientRequest? _last;
    private NbdClientLink? _link;
    private bool _lost;
    private bool _closed;

    private NbdClient(Func<Stream> connect, NbdClientOptions options, NbdClientHandshake handshake)
    {
        _connect = connect;
        _options = options;
        SizeBytes = handshake.SizeBytes & ~(long)(BlockRange.SectorSize - 1);
        Flags = handshake.Flags;
        _payloadMax = handshake.PayloadMax;
        _link = new NbdClientLink(this, handshake, options.RequestsMax);
        new Thread(Run) { IsBackground = true, Name = "nbd reader" }.Start();
    }

    /// <inheritdoc/>
    public long SizeBytes { get; }

    /// <inheritdoc/>
    public bool IsReadOnly => (Flags & NbdProtocol.FlagReadOnly) != 0;

    /// <summary>Whether a link is up now.</summary>
    public bool IsConnected
    {
        get
        {
            lock (_lock)
            {
                return _link is not null;
            }
        }
    }

    /// <summary>Why the last link ended, for the log; empty when none has.</summary>
    public string LossReason { get; private set; } = "";

    internal ushort Flags { get; }

    /// <summary>Whether requests wait for a place; a stale answer is repaired by the next completion.</summary>
    internal bool HasWaiting => Volatile.Read(ref _first) is not null;

    /// <summary>Opens <c>nbd://host:port/export</c> and its relatives. Throws IOException with the reason when that
    /// fails.</summary>
    public static NbdClient Open(string uri, NbdClientOptions? options = null)
    {
        if (!NbdUri.TryParse(uri, out var parsed, out var reason))
        {
            throw new IOException(reason);
        }

        return Open(parsed!, options);
    }

    /// <summary>As by the text of the URI.</summary>
    public static NbdClient Open(NbdUri parsed, NbdClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(parsed);
        options = (options ?? new NbdClientOptions()) with { Export = parsed.Export };
        if (parsed.Tls && options.Tls is null)
        {
            options = options with { Tls = new SslClientAuthenticationOptions { TargetHost = parsed.Host } };
        }

        return Open(() => Connect(parsed), options);
    }

    /// <summary>Opens an export on links that the caller makes: the first one now, others after a loss.
    /// <paramref name="connect"/> throws IOException or SocketException when it can't.</summary>
    public static NbdClient Open(Func<Stream> connect, NbdClientOptions options)
    {
        var start = options.Time.GetTimestamp();
        while (true)
        {
            if (TryHandshake(connect, options, out var handshake, out var reason))
            {
                return new NbdClient(connect, options, handshake!);
            }

            if (options.Time.GetElapsedTime(start) >= options.OpenTimeout)
            {
                throw new IOException($"NBD export '{options.Export}': {reason}");
            }

            Wait(options.RetryInterval, options.Time, CancellationToken.None);
        }
    }

    /// <inheritdoc/>
    public ValueTask<BlockStatus> ReadAsync(
        long offset, Memory<byte> destination, CancellationToken cancellation = default)
    {
        if (!BlockRange.IsValid(offset, destination.Length, SizeBytes))
        {
            return new(BlockStatus.OutOfRange);
        }

        if (destination.Length > _payloadMax)
        {
            return SplitReadAsync(offset, destination);
        }

        var request = Take(NbdProtocol.CommandRead, 0, offset, (uint)destination.Length);
        request.Destination = destination;
        return Submit(request);
    }

    /// <inheritdoc/>
    public ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false, CancellationToken cancellation = default)
    {
        var status = Check(offset, source.Length);
        if (status != BlockStatus.Ok)
        {
            return new(status);
        }

        var native = forceUnitAccess && (Flags & NbdProtocol.FlagFua) != 0;
        if (source.Length > _payloadMax || (forceUnitAccess && !native))
        {
            return SplitWriteAsync(offset, source, native, forceUnitAccess && !native);
        }

        var request = Take(NbdProtocol.CommandWrite, native ? NbdProtocol.CommandFlagFua : (ushort)0, offset, (uint)source.Length);
        request.Source = source;
        return Submit(request);
    }

    /// <inheritdoc/>
    public ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default) =>
        (Flags & NbdProtocol.FlagFlush) == 0
            ? new(BlockStatus.Ok)
            : Submit(Take(NbdProtocol.CommandFlush, 0, 0, 0));

    /// <inheritdoc/>
    public ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default)
    {
        var status = Check(offset, length);
        if (status != BlockStatus.Ok || length == 0)
        {
            return new(status);
        }

        var flags = mayUnmap ? (ushort)0 : NbdProtocol.CommandFlagNoHole;
        return (Flags & NbdProtocol.FlagWriteZeroes) != 0
            ? RangesAsync(NbdProtocol.CommandWriteZeroes, flags, offset, length)
            : ZeroDataAsync(offset, length);
    }

    /// <inheritdoc/>
    public ValueTask<BlockStatus> DiscardAsync(long offset, long length, CancellationToken cancellation = default)
    {
        var status = Check(offset, length);
        return status != BlockStatus.Ok || length == 0 || (Flags & NbdProtocol.FlagTrim) == 0
            ? new(status)
            : RangesAsync(NbdProtocol.CommandTrim, 0, offset, length);
    }

    /// <summary>Aborts the link: everything in flight fails with PeerLost now, whatever the options say, and
    /// nothing reconnects.
    /// </summary>
    public void Yank()
    {
        NbdClientLink? link;
        lock (_lock)
        {
            _closed = true;
            _lost = true;
            link = _link;
        }

        _closing.Cancel();
        link?.Abort();
        FailWaiting();
    }

    /// <summary>Says goodbye and closes the link; what is in flight fails with PeerLost.</summary>
    public void Dispose()
    {
        NbdClientLink? link;
        lock (_lock)
        {
            link = _link;
        }

        link?.SendDisconnect();
        Yank();
    }

    /// <summary>The request's future was read: it may be used again.</summary>
    internal void Return(NbdClientRequest request)
    {
        lock (_lock)
        {
            _pool.Push(request);
        }
    }

    /// <summary>The next request to send; the link calls it when it has a free place.</summary>
    internal NbdClientRequest? TakeWaiting()
    {
        lock (_lock)
        {
            var request = _first;
            if (request is not null)
            {
                _first = request.Next;
                _last = _first is null ? null : _last;
                request.Next = null;
            }

            return request;
        }
    }

    /// <summary>Puts requests whose link broke back to the front, to be sent again or to fail.</summary>
    internal void PutBack(NbdClientRequest request)
    {
        lock (_lock)
        {
            request.Next = _first;
            _first = request;
            _last ??= request;
        }
    }

    private static Stream Connect(NbdUri uri)
    {
        var endPoint = uri.ToEndPoint();
        var socket = endPoint is System.Net.DnsEndPoint
            ? new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true }
            : LinkStreams.CreateSocket(endPoint);
        try
        {
            socket.Connect(endPoint);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static bool TryHandshake(
        Func<Stream> connect, NbdClientOptions options, out NbdClientHandshake? handshake, out string reason)
    {
        handshake = null;
        Stream stream;
        try
        {
            stream = connect();
        }
        catch (Exception error) when (LinkStreams.IsLinkFailure(error))
        {
            reason = error.Message;
            return false;
        }

        handshake = new NbdClientHandshake(stream, options);
        bool opened;
        using (options.Time.CreateTimer(
            _ => LinkStreams.Abort(stream), null, options.HandshakeTimeout, Timeout.InfiniteTimeSpan))
        {
            opened = handshake.Run();
        }

        reason = handshake.Failure;
        if (!opened)
        {
            LinkStreams.Abort(stream);
        }

        return opened;
    }

    /// <summary>Until the time is over or somebody wakes it. The connector has a thread of its own, so it may
    /// block.</summary>
    private static void Wait(TimeSpan time, TimeProvider clock, CancellationToken wake)
    {
        using var over = new ManualResetEventSlim();
        using ITimer timer = clock.CreateTimer(
            static state => ((ManualResetEventSlim)state!).Set(), over, time, Timeout.InfiniteTimeSpan);
        using CancellationTokenRegistration woken = wake.Register(static state => ((ManualResetEventSlim)state!).Set(), over);
        over.Wait(CancellationToken.None);
    }

    private BlockStatus Check(long offset, long length) =>
        IsReadOnly ? BlockStatus.ReadOnly
        : BlockRange.IsValid(offset, length, SizeBytes) ? BlockStatus.Ok
        : BlockStatus.OutOfRange;

    private NbdClientRequest Take(ushort type, ushort flags, long offset, uint length)
    {
        NbdClientRequest? request;
        lock (_lock)
        {
            _ = _pool.TryPop(out request);
        }

        request ??= new NbdClientRequest(this);
        request.Type = type;
        request.Flags = flags;
        request.Offset = offset;
        request.Length = length;
        request.Next = null;
        return request;
    }

    private ValueTask<BlockStatus> Submit(NbdClientRequest request)
    {
        var task = request.Task;
        NbdClientLink? link;
        lock (_lock)
        {
            if (_lost)
            {
                _pool.Push(request);
                return new(BlockStatus.PeerLost);
            }

            if (_last is null)
            {
                _first = _last = request;
            }
            else
            {
                _last.Next = request;
                _last = request;
            }

            link = _link;
        }

        link?.SendWaiting();
        return task;
    }

    private async ValueTask<BlockStatus> SplitReadAsync(long offset, Memory<byte> destination)
    {
        var status = BlockStatus.Ok;
        for (var at = 0; at < destination.Length && status == BlockStatus.Ok; at += _payloadMax)
        {
            var count = Math.Min(_payloadMax, destination.Length - at);
            status = await ReadAsync(offset + at, destination.Slice(at, count)).ConfigureAwait(false);
        }

        return status;
    }

    private async ValueTask<BlockStatus> SplitWriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess, bool flush)
    {
        var status = BlockStatus.Ok;
        for (var at = 0; at < source.Length && status == BlockStatus.Ok; at += _payloadMax)
        {
            var count = Math.Min(_payloadMax, source.Length - at);
            status = await WriteAsync(offset + at, source.Slice(at, count), forceUnitAccess).ConfigureAwait(false);
        }

        return status == BlockStatus.Ok && flush ? await FlushAsync().ConfigureAwait(false) : status;
    }

    private async ValueTask<BlockStatus> RangesAsync(ushort type, ushort flags, long offset, long length)
    {
        var status = BlockStatus.Ok;
        while (length > 0 && status == BlockStatus.Ok)
        {
            var count = (uint)Math.Min(length, 1L << 30);
            status = await Submit(Take(type, flags, offset, count)).ConfigureAwait(false);
            offset += count;
            length -= count;
        }

        return status;
    }

    private async ValueTask<BlockStatus> ZeroDataAsync(long offset, long length)
    {
        var zeroes = new byte[(int)Math.Min(length, 1 << 20)];
        var status = BlockStatus.Ok;
        while (length > 0 && status == BlockStatus.Ok)
        {
            var count = (int)Math.Min(length, zeroes.Length);
            status = await WriteAsync(offset, zeroes.AsMemory(0, count)).ConfigureAwait(false);
            offset += count;
            length -= count;
        }

        return status;
    }

    /// <summary>The reader's thread: reads until the link breaks, then brings a new one or gives up.</summary>
    private void Run()
    {
        while (true)
        {
            var link = _link!;
            link.Receive();
            link.FailInFlight();
            LossReason = link.Failure;
            lock (_lock)
            {
                _link = null;
                _lost |= _options.ReconnectDelay <= TimeSpan.Zero;
            }

            if (_options.ReconnectDelay <= TimeSpan.Zero || !Reconnect())
            {
                FailWaiting();
                return;
            }
        }
    }

    private bool Reconnect()
    {
        var start = _options.Time.GetTimestamp();
        while (!_closing.IsCancellationRequested)
        {
            if (TryHandshake(_connect, _options, out var handshake, out _))
            {
                if ((handshake!.SizeBytes & ~(long)(BlockRange.SectorSize - 1)) == SizeBytes && handshake.Flags == Flags
                    && handshake.PayloadMax >= _payloadMax)
                {
                    var link = new NbdClientLink(this, handshake, _options.RequestsMax);
                    lock (_lock)
                    {
                        _lost = _closed;
                        _link = link;
                    }

                    if (_closing.IsCancellationRequested)
                    {
                        link.Abort();
                    }

                    link.SendWaiting();
                    return true;
                }

                // Another disk has taken the name: its answers would be wrong, or it refuses what waits.
                LinkStreams.Abort(handshake.Link);
            }

            if (_options.Time.GetElapsedTime(start) >= _options.ReconnectDelay)
            {
                lock (_lock)
                {
                    _lost = true;
                }

                FailWaiting();
            }

            Wait(_options.RetryInterval, _options.Time, _closing.Token);
        }

        return false;
    }

    private void FailWaiting()
    {
        while (TakeWaiting() is { } request)
        {
            request.Complete(BlockStatus.PeerLost);
        }
    }
}
