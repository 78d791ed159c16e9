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
    private readonly QemuFrameStream local;
    private readonly DataLink link;
    private readonly bool hasHeader;
    private readonly Queue<long> marks = new();
    private readonly FrameStreamWriter writer;

    /// <param name="local">Connected to the redirector that takes the guest's frames.</param>
    /// <param name="link">Connected to the primary's node.</param>
    /// <param name="hasHeader">Frames come with a virtio header.</param>
    /// <param name="resumed">How often the guest has run on already.</param>
    /// <param name="ended">Told once; true when it was the local QEMU that closed.</param>
    public QemuMarkedRelay(Socket local, DataLink link, bool hasHeader, int resumed, Action<bool> ended)
    {
        (this.link, this.hasHeader) = (link, hasHeader);
        this.local = new QemuFrameStream(local, hasHeader, Append);
        writer = new FrameStreamWriter(hasHeader, 1 << 20);
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
            marks.Enqueue(local.Read + local.Available);
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
        while (true)
        {
            try
            {
                await local.WaitAsync().ConfigureAwait(false);
                if (!Take())
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

    private bool Take()
    {
        lock (gate)
        {
            return local.Take();
        }
    }

    private void Append(ReadOnlySpan<byte> payload, int header, long end)
    {
        long start = end - payload.Length - StreamFraming.PrefixBytes(hasHeader);
        while (marks.TryPeek(out long mark) && mark <= start)
        {
            marks.Dequeue();
            writer.TryAppendEmpty();
        }

        writer.TryAppend(payload, header);
    }
}
