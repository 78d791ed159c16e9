using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;

namespace Akka.Remote.Transport.Tcp;

/// <summary>
/// A link over a stream (TCP, or TLS over it). Writers fill a pipe; one loop empties it into the stream, so that
/// however many messages were written meanwhile go out in one call. A second loop reads frames and hands them to the
/// handler.
/// </summary>
internal sealed class TcpLink : ILink
{
    // Enough for the socket to stay busy while a batch is made, small enough that a slow peer is noticed.
    private const int PauseAt = 1 << 20;
    private const int ResumeAt = 1 << 19;
    private const int SegmentSize = 1 << 16;

    private readonly Stream _stream;
    private readonly Socket _socket;
    private readonly int _maximumFrameSize;
    private readonly Pipe _output = new(new PipeOptions(
        pauseWriterThreshold: PauseAt,
        resumeWriterThreshold: ResumeAt,
        minimumSegmentSize: SegmentSize,
        readerScheduler: PipeScheduler.ThreadPool,
        writerScheduler: PipeScheduler.ThreadPool,
        useSynchronizationContext: false));

    private readonly Lock _gate = new();
    private ILinkHandler _handler;
    private bool _closing;
    private bool _flushing;
    private bool _flushAgain;

    internal TcpLink(Socket socket, Stream stream, int maximumFrameSize)
    {
        _socket = socket;
        _stream = stream;
        _maximumFrameSize = maximumFrameSize;
        Peer = socket.RemoteEndPoint?.ToString() ?? "unknown";
    }

    public string Peer { get; }

    public IBufferWriter<byte> Output => _output.Writer;

    public bool Flush()
    {
        lock (_gate)
        {
            if (_closing)
            {
                return true;
            }

            // The pipe bears one flush at a time; what is written meanwhile goes with the next.
            if (_flushing)
            {
                _flushAgain = true;
                return false;
            }

            var flush = _output.Writer.FlushAsync();
            if (flush.IsCompletedSuccessfully)
            {
                return true;
            }

            _flushing = true;
            _ = AwaitFlush(flush);
            return false;
        }
    }

    public void Close()
    {
        lock (_gate)
        {
            if (!_closing)
            {
                _closing = true;
                _output.Writer.Complete();
            }
        }
    }

    /// <summary>Ends the link at once, whatever is still to be written.</summary>
    public void Abort()
    {
        Close();
        _output.Reader.CancelPendingRead();
        _socket.Dispose();
    }

    /// <summary>Runs the link until it ends; then the handler has heard of it.</summary>
    internal async Task RunAsync(ILinkHandler handler)
    {
        _handler = handler;
        Framing.WritePreamble(_output.Writer);
        await _output.Writer.FlushAsync().ConfigureAwait(false);
        handler.Opened(this);
        var sending = SendLoop();
        var reason = await ReceiveLoop().ConfigureAwait(false);
        Close();
        if (reason.IsProtocolError)
        {
            // A peer that sends nonsense may never read what it is sent.
            _output.Reader.CancelPendingRead();
        }

        await sending.ConfigureAwait(false);
        await _stream.DisposeAsync().ConfigureAwait(false);
        _socket.Dispose();
        handler.Closed(reason);
    }

    private async Task AwaitFlush(ValueTask<FlushResult> flush)
    {
        while (true)
        {
            await flush.ConfigureAwait(false);
            lock (_gate)
            {
                if (_closing || !_flushAgain)
                {
                    _flushing = false;
                    break;
                }

                _flushAgain = false;
                flush = _output.Writer.FlushAsync();
            }
        }

        _handler.Writable();
    }

    private async Task SendLoop()
    {
        try
        {
            while (true)
            {
                var read = await _output.Reader.ReadAsync().ConfigureAwait(false);
                if (read.IsCanceled)
                {
                    break;
                }

                foreach (var segment in read.Buffer)
                {
                    await _stream.WriteAsync(segment).ConfigureAwait(false);
                }

                _output.Reader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    break;
                }
            }

            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (IsConnectionError(error))
        {
            // The receive loop sees the same end and reports it.
            _socket.Dispose();
        }
        finally
        {
            await _output.Reader.CompleteAsync().ConfigureAwait(false);
        }
    }

    private async Task<LinkClosed> ReceiveLoop()
    {
        var reader = PipeReader.Create(_stream, new StreamPipeReaderOptions(bufferSize: SegmentSize, minimumReadSize: 4096, leaveOpen: true));
        try
        {
            var greeted = false;
            while (true)
            {
                var read = await reader.ReadAsync().ConfigureAwait(false);
                var buffer = read.Buffer;
                greeted = greeted || Framing.TryReadPreamble(ref buffer);
                while (greeted && Framing.TryReadFrame(ref buffer, _maximumFrameSize, out var kind, out var body))
                {
                    _handler.FrameReceived(kind, body);
                }

                reader.AdvanceTo(buffer.Start, buffer.End);
                if (read.IsCompleted)
                {
                    return new LinkClosed("the peer closed the connection", IsProtocolError: false);
                }
            }
        }
        catch (WireFormatException error)
        {
            return new LinkClosed(error.Message, IsProtocolError: true);
        }
        catch (Exception error) when (IsConnectionError(error))
        {
            return new LinkClosed(error.Message, IsProtocolError: false);
        }
        finally
        {
            await reader.CompleteAsync().ConfigureAwait(false);
        }
    }

    internal static bool IsConnectionError(Exception error) =>
        error is IOException or SocketException or ObjectDisposedException or OperationCanceledException
            or InvalidOperationException or System.Security.Authentication.AuthenticationException;
}
