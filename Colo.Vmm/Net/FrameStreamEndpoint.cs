using System.Net.Sockets;

namespace Colo.Vmm.Net;

/// <summary>Takes a frame from a stream; the span is valid during the call. False: the receiver is full, stop
/// reading this stream.</summary>
public delegate bool StreamFrameHandler(ReadOnlySpan<byte> payload, int vnetHeaderLength);

/// <summary>
/// One end of a packet stream over a connected TCP or Unix socket: a mirror, a redirector, or an input or output of
/// a comparer. A QEMU filter-mirror, filter-redirector, colo-compare or socket back end can be at the other end.
/// <para>Sending never blocks: frames go to a bounded batch which a sender thread writes; when it is full
/// <see cref="TrySend"/> says no and counts. One thread reads and calls the handler; when the handler says no, the
/// same frame is offered again after <see cref="Resume"/> or a short while, and TCP's own window holds the peer
/// back meanwhile.</para>
/// </summary>
public sealed class FrameStreamEndpoint : IDisposable
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(2);
    private readonly Socket socket;
    private readonly FrameStreamReader reader;
    private readonly Lock sendGate = new();
    private readonly ManualResetEventSlim resumed = new();
    private readonly SemaphoreSlim sendable = new(0, 1);
    private readonly Action? drained;
    private FrameStreamWriter filling;
    private FrameStreamWriter sending;
    private Thread? receiveThread;
    private readonly Thread sendThread;
    private int disposals;
    private bool isSignalled;
    private bool hasRefused;
    private volatile bool isClosed;

    /// <summary>
    /// An end on a connected socket, which it owns. <paramref name="drained"/> is called on the sender's thread
    /// when there is room again after a frame was refused.
    /// </summary>
    public FrameStreamEndpoint(Socket socket, bool hasVnetHeader = false, int queueBytes = 1 << 20, Action? drained = null)
    {
        ArgumentNullException.ThrowIfNull(socket);
        this.socket = socket;
        this.drained = drained;
        if (socket.ProtocolType == ProtocolType.Tcp)
        {
            socket.NoDelay = true;
        }
        reader = new FrameStreamReader(hasVnetHeader);
        filling = new FrameStreamWriter(hasVnetHeader, queueBytes);
        sending = new FrameStreamWriter(hasVnetHeader, queueBytes);
        sendThread = new Thread(SendLoop) { IsBackground = true, Name = "colo-frame-send" };
        sendThread.Start();
    }

    /// <summary>Frames that were refused because the queue was full or the peer gone.</summary>
    public long Refused { get; private set; }

    public long Sent { get; private set; }

    public long Received { get; private set; }

    /// <summary>Whether all that was sent is in the peer's receive buffer (TCP) or read by it (Unix), or the stream
    /// is over.</summary>
    public bool HasArrived
    {
        get
        {
            lock (sendGate)
            {
                if (isClosed)
                {
                    return true;
                }
                if (!filling.Pending.IsEmpty || !sending.Pending.IsEmpty)
                {
                    return false;
                }
            }
            return SocketQueue.UndeliveredBytes(socket) == 0;
        }
    }

    /// <summary>Whether bytes wait that have not been read.</summary>
    public bool HasInput
    {
        get
        {
            try
            {
                return !isClosed && socket.Available > 0;
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                return false;
            }
        }
    }

    /// <summary>Why the stream ended, or null while it is open.</summary>
    public string? CloseReason { get; private set; }

    /// <summary>Raised once when the stream has ended, on the thread that noticed.</summary>
    public event Action? Closed;

    /// <summary>Starts the reading thread. <paramref name="batchEnd"/> is called when what one receive brought has
    /// been handed over.</summary>
    public void Start(StreamFrameHandler handler, Action? batchEnd = null)
    {
        receiveThread = new Thread(() => ReceiveLoop(handler, batchEnd)) { IsBackground = true, Name = "colo-frame-receive" };
        receiveThread.Start();
    }

    /// <summary>Queues a frame; it is copied. Any thread.</summary>
    [HotPath]
    public bool TrySend(ReadOnlySpan<byte> payload, int vnetHeaderLength = 0, bool flush = true)
    {
        lock (sendGate)
        {
            if (isClosed)
            {
                Refused++;
                return false;
            }
            if (!filling.TryAppend(payload, vnetHeaderLength))
            {
                hasRefused = true;
                Refused++;
                SignalLocked();
                return false;
            }
            Sent++;
            if (flush)
            {
                SignalLocked();
            }
            return true;
        }
    }

    /// <summary>Sends what was queued without flushing.</summary>
    public void Flush()
    {
        lock (sendGate)
        {
            if (!isClosed)
            {
                SignalLocked();
            }
        }
    }

    /// <summary>The receiver has room again.</summary>
    public void Resume() => resumed.Set();

    public void Dispose()
    {
        Close("closed on this side");
        if (Interlocked.Exchange(ref disposals, 1) != 0)
        {
            return;
        }
        if (Thread.CurrentThread != sendThread)
        {
            sendThread.Join();
        }
        if (receiveThread is not null && Thread.CurrentThread != receiveThread)
        {
            receiveThread.Join();
        }
        socket.Dispose();
        sendable.Dispose();
        resumed.Dispose();
    }

    private void SignalLocked()
    {
        if (!isSignalled && (isClosed || !filling.Pending.IsEmpty))
        {
            isSignalled = true;
            sendable.Release();
        }
    }

    private void SendLoop()
    {
        while (!isClosed)
        {
            sendable.Wait();
            bool wasRefused;
            lock (sendGate)
            {
                isSignalled = false;
                (filling, sending) = (sending, filling);
                wasRefused = hasRefused;
                hasRefused = false;
            }
            if (wasRefused && !isClosed)
            {
                drained?.Invoke();
            }
            try
            {
                for (var rest = sending.Pending.Span; !rest.IsEmpty && !isClosed;)
                {
                    rest = rest[socket.Send(rest)..];
                }
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                Close(error.Message);
            }
            sending.Clear();
        }
    }

    private void ReceiveLoop(StreamFrameHandler handler, Action? batchEnd)
    {
        try
        {
            while (!isClosed)
            {
                var count = socket.Receive(reader.FillSpan);
                if (count == 0)
                {
                    Close("the other side closed");
                    return;
                }
                reader.Advance(count);
                FrameReadResult result;
                while ((result = reader.TryRead(out var payload, out var vnet)) == FrameReadResult.Frame)
                {
                    Received++;
                    while (!handler(payload, vnet) && !isClosed)
                    {
                        batchEnd?.Invoke();
                        resumed.Wait(RetryDelay);
                        resumed.Reset();
                    }
                }
                batchEnd?.Invoke();
                if (result == FrameReadResult.Invalid)
                {
                    Close(reader.Error!);
                }
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            Close(error.Message);
        }
    }

    private void Close(string reason)
    {
        lock (sendGate)
        {
            if (isClosed)
            {
                return;
            }
            CloseReason = reason;
            isClosed = true;
            SignalLocked();
        }
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The peer was faster; there is nothing left to shut down.
        }
        resumed.Set();
        Closed?.Invoke();
    }
}
