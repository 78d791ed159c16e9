using System.Net.Sockets;
using Colo.Vmm.Links;
using Colo.Vmm.Net;

namespace Colo.Actors.Vm.Qemu;

/// <summary>
/// Carries the frames of a secondary's guest to the comparer in the primary's node, with an empty frame wherever the
/// guest ran on after a checkpoint. What was in the socket at that moment counts as said before: to take an old
/// frame for a new one would be a false match, the other way round costs a checkpoint.
/// </summary>
internal sealed class QemuMarkedRelay : IDisposable
{
    private readonly Lock gate = new();
    private readonly Socket local;
    private readonly DataLink link;
    private readonly bool hasHeader;
    private readonly Queue<long> marks = new();
    private readonly FrameStreamWriter writer;
    private long read;

    /// <param name="local">Connected to the redirector that takes the guest's frames.</param>
    /// <param name="link">Connected to the primary's node.</param>
    /// <param name="hasHeader">Frames come with a virtio header.</param>
    /// <param name="resumed">How often the guest has run on already.</param>
    /// <param name="ended">Told once; true when it was the local QEMU that closed.</param>
    public QemuMarkedRelay(Socket local, DataLink link, bool hasHeader, int resumed, Action<bool> ended)
    {
        (this.local, this.link, this.hasHeader) = (local, link, hasHeader);
        writer = new FrameStreamWriter(hasHeader, 1 << 20);
        local.Blocking = false;
        for (int mark = 0; mark < resumed; mark++)
        {
            marks.Enqueue(0);
        }

        _ = RunAsync(ended);
    }

    /// <summary>The guest runs on after a checkpoint.</summary>
    public void Mark()
    {
        lock (gate)
        {
            try
            {
                marks.Enqueue(read + local.Available);
            }
            catch (Exception problem) when (problem is SocketException or ObjectDisposedException)
            {
                // It is over.
            }
        }
    }

    public void Dispose()
    {
        link.Abort();
        local.Dispose();
    }

    private async Task RunAsync(Action<bool> ended)
    {
        Task<bool> outgoing = SendAsync();
        Task incoming = WaitForEndAsync();
        Task first = await Task.WhenAny(outgoing, incoming).ConfigureAwait(false);
        Dispose();
        ended(first == outgoing && await outgoing.ConfigureAwait(false));
    }

    private async Task WaitForEndAsync()
    {
        try
        {
            _ = await link.Stream.ReadAsync(new byte[1]).ConfigureAwait(false);
        }
        catch (Exception problem) when (problem is IOException or ObjectDisposedException or SocketException)
        {
            // Nothing is sent this way; its end is the link's.
        }
    }

    /// <returns>True when QEMU closed, false when the link did.</returns>
    private async Task<bool> SendAsync()
    {
        var reader = new FrameStreamReader(hasHeader);
        while (true)
        {
            try
            {
                await local.ReceiveAsync(Memory<byte>.Empty).ConfigureAwait(false);
                if (!Take(reader))
                {
                    return true;
                }
            }
            catch (Exception problem) when (problem is SocketException or ObjectDisposedException)
            {
                return true;
            }

            try
            {
                await link.Stream.WriteAsync(writer.Pending).ConfigureAwait(false);
                await link.Stream.FlushAsync().ConfigureAwait(false);
                writer.Clear();
            }
            catch (Exception problem) when (problem is IOException or ObjectDisposedException or SocketException)
            {
                return false;
            }
        }
    }

    private bool Take(FrameStreamReader reader)
    {
        lock (gate)
        {
            int length = local.Receive(reader.FillSpan, SocketFlags.None, out SocketError problem);
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
                long start = read - reader.BufferedBytes - payload.Length - StreamFraming.PrefixBytes(hasHeader);
                while (marks.TryPeek(out long mark) && mark <= start)
                {
                    marks.Dequeue();
                    writer.TryAppendEmpty();
                }

                writer.TryAppend(payload, header);
            }

            return reader.Error is null;
        }
    }
}
