using System.Buffers.Binary;
using System.Net.Sockets;
using Colo.Vmm.Links;

namespace Colo.Actors.Vm.Qemu;

/// <summary>
/// Carries bytes between a socket of the local QEMU and a data link to the peer's node, both ways, until one of them
/// ends. So a pair needs no ports of its own, is encrypted like everything else between nodes, and can be cut without
/// QEMU's help.
/// </summary>
internal sealed class QemuRelay : IDisposable
{
    private const int BufferBytes = 128 << 10;
    private readonly Socket local;
    private readonly DataLink link;
    private readonly FrameGate? frames;

    /// <param name="local">Connected to QEMU.</param>
    /// <param name="link">Connected to the peer.</param>
    /// <param name="frames">The link brings frames for a comparer; asked for each whether it is let through.</param>
    /// <param name="ended">Told once; true when it was the local QEMU that closed.</param>
    public QemuRelay(Socket local, DataLink link, FrameGate? frames, Action<bool> ended)
    {
        this.local = local;
        this.link = link;
        this.frames = frames;
        _ = RunAsync(ended);
    }

    public static Socket Connect(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Waits for QEMU to connect once.</summary>
    public static async Task<Socket> AcceptAsync(string path, CancellationToken cancellation)
    {
        File.Delete(path);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen(1);
        return await listener.AcceptAsync(cancellation).ConfigureAwait(false);
    }

    public void Dispose()
    {
        link.Abort();
        local.Dispose();
    }

    private async Task RunAsync(Action<bool> ended)
    {
        await using var stream = new NetworkStream(local, ownsSocket: true);
        Task<bool> outgoing = CopyAsync(stream, link.Stream);
        Task<bool> incoming = frames is { } gate
            ? CopyFramesAsync(link.Stream, stream, gate)
            : CopyAsync(link.Stream, stream);
        Task<bool> first = await Task.WhenAny(outgoing, incoming).ConfigureAwait(false);
        bool byReader = await first.ConfigureAwait(false);
        Dispose();

        // Whoever could not be read from, or not be written to, has closed.
        ended(first == outgoing ? byReader : !byReader);
    }

    /// <returns>True when the source ended, false when the target did.</returns>
    private static async Task<bool> CopyAsync(Stream from, Stream to)
    {
        byte[] buffer = new byte[BufferBytes];
        while (true)
        {
            int length = await TryReadAsync(from, buffer).ConfigureAwait(false);
            if (length <= 0)
            {
                return true;
            }

            if (!await TryWriteAsync(to, buffer.AsMemory(0, length)).ConfigureAwait(false))
            {
                return false;
            }
        }
    }

    private static async Task<int> TryReadAsync(Stream from, Memory<byte> buffer)
    {
        try
        {
            return await from.ReadAsync(buffer).ConfigureAwait(false);
        }
        catch (Exception problem) when (problem is IOException or ObjectDisposedException or SocketException)
        {
            return -1;
        }
    }

    private static async Task<bool> TryWriteAsync(Stream to, ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await to.WriteAsync(bytes).ConfigureAwait(false);
            await to.FlushAsync().ConfigureAwait(false);
            return true;
        }
        catch (Exception problem) when (problem is IOException or ObjectDisposedException or SocketException)
        {
            return false;
        }
    }

    /// <summary>Frames as QEMU's filters send them: a length of four bytes, big endian; when both ends know of a virtio
    /// header, its length likewise; and so many bytes as the first says.</summary>
    private static async Task<bool> CopyFramesAsync(Stream from, Stream to, FrameGate gate)
    {
        const int FrameBytesMax = 4096 + 65536;
        int head = gate.HasVirtioHeader ? 8 : 4;
        byte[] buffer = new byte[head + FrameBytesMax];
        while (true)
        {
            int whole;
            try
            {
                await from.ReadExactlyAsync(buffer.AsMemory(0, head)).ConfigureAwait(false);
                uint length = BinaryPrimitives.ReadUInt32BigEndian(buffer);
                if (length > FrameBytesMax)
                {
                    return true;
                }

                whole = head + (int)length;
                await from.ReadExactlyAsync(buffer.AsMemory(head, (int)length)).ConfigureAwait(false);
            }
            catch (Exception problem) when (problem is IOException or ObjectDisposedException or SocketException)
            {
                return true;
            }

            if (gate.Passes() && !await TryWriteAsync(to, buffer.AsMemory(0, whole)).ConfigureAwait(false))
            {
                return false;
            }
        }
    }
}

/// <summary>Which of the frames on a link go on.</summary>
/// <param name="HasVirtioHeader">The frames come with a header's length before them.</param>
/// <param name="Passes">Asked for each frame.</param>
internal sealed record FrameGate(bool HasVirtioHeader, Func<bool> Passes);
