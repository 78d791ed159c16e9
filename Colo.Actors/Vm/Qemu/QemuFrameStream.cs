using System.Net.Sockets;
using Colo.Vmm.Net;

namespace Colo.Actors.Vm.Qemu;

/// <summary>Takes a frame; the span is valid during the call.</summary>
/// <param name="payload">The frame, after its virtio header if it has one.</param>
/// <param name="headerLength">Bytes of the virtio header.</param>
/// <param name="end">Where it ends in the stream.</param>
internal delegate void QemuFrameHandler(ReadOnlySpan<byte> payload, int headerLength, long end);

/// <summary>
/// The frames that a redirector of the local QEMU sends, with their places in the stream. What has been read and what
/// is in the socket must add up for whoever asks at any moment, so reading never blocks and, like the counts, happens
/// under the owner's lock.
/// </summary>
internal sealed class QemuFrameStream : IDisposable
{
    private readonly Socket socket;
    private readonly FrameStreamReader reader;
    private readonly QemuFrameHandler handler;
    private long read;

    /// <param name="socket">Connected to the redirector.</param>
    /// <param name="hasHeader">Frames come with a virtio header.</param>
    /// <param name="handler">Called by <see cref="Take"/>.</param>
    public QemuFrameStream(Socket socket, bool hasHeader, QemuFrameHandler handler)
    {
        this.socket = socket;
        this.handler = handler;
        reader = new FrameStreamReader(hasHeader);
        socket.Blocking = false;
    }

    /// <summary>Bytes of the stream that were read.</summary>
    public long Read => read;

    /// <summary>Bytes in the socket; none when it is over.</summary>
    public int Available
    {
        get
        {
            try
            {
                return socket.Available;
            }
            catch (Exception problem) when (problem is SocketException or ObjectDisposedException)
            {
                return 0;
            }
        }
    }

    /// <summary>Waits until there is something to take, or the end; without the lock.</summary>
    /// <exception cref="SocketException">The stream is over.</exception>
    /// <exception cref="ObjectDisposedException">It was closed on this side.</exception>
    public async Task WaitAsync() => await socket.ReceiveAsync(Memory<byte>.Empty).ConfigureAwait(false);

    /// <summary>Takes what is there, without waiting; under the owner's lock.</summary>
    /// <returns>False at the end of the stream.</returns>
    public bool Take()
    {
        int length = socket.Receive(reader.FillSpan, SocketFlags.None, out SocketError problem);
        if (problem == SocketError.WouldBlock)
        {
            return true;
        }

        if (length == 0)
        {
            return false;
        }

        reader.Advance(length);
        read += length;
        while (reader.TryRead(out ReadOnlySpan<byte> payload, out int header) == FrameReadResult.Frame)
        {
            handler(payload, header, read - reader.BufferedBytes);
        }

        return reader.Error is null;
    }

    public void Dispose() => socket.Dispose();
}
