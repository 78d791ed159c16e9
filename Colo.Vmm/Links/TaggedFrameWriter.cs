using System.Buffers.Binary;

namespace Colo.Vmm.Links;

/// <summary>
/// Writes Ethernet frames with their epoch on a mirror or compare link. Producers never wait for the network:
/// <see cref="TryWrite"/> copies into one of two buffers, and <see cref="Flush"/> sends what has gathered. While the
/// link has room the caller of <see cref="Flush"/> writes to it, which is a thread switch less for each frame; when it
/// has none, or somebody is at it, a thread of the writer's own does. A frame on the wire, big endian:
/// <code>
/// 0   4  length n of the frame, 1 to 65550
/// 4   2  NIC, from 0
/// 6   2  zero
/// 8   8  epoch
/// 16  n  the Ethernet frame
/// </code>
/// When the peer does not read, the buffer fills up to its bound; then the link has failed, because a frame that is
/// left out would be a gap in the order.
/// </summary>
public sealed class TaggedFrameWriter : IDisposable
{
    public const int HeadLength = 16;
    public const int FrameLengthMax = 65550;

    /// <summary>What is written by a caller of <see cref="Flush"/> at most; a socket's buffer has room for several of
    /// these (<see cref="DataLink.HasRoom"/>).</summary>
    public const int DirectBytesMax = 32 << 10;

    private readonly Stream stream;
    private readonly Func<bool> hasRoom;
    private readonly Action<string> failed;
    private readonly int bound;
    private readonly object gate = new();
    private readonly Thread sender;
    private byte[] filling;
    private byte[] sending;
    private int filled;
    private bool writing;

    /// <summary>The writer's own thread is to send what is queued.</summary>
    private bool due;
    private bool ended;

    /// <param name="stream">The link; not disposed here.</param>
    /// <param name="boundBytes">Most bytes that wait.</param>
    /// <param name="failed">Called once, with a sentence, when the link cannot be written any more; not on the thread
    /// of a producer.</param>
    /// <param name="hasRoom">Whether <see cref="DirectBytesMax"/> can be written without waiting; null: never.</param>
    public TaggedFrameWriter(Stream stream, int boundBytes, Action<string> failed, Func<bool>? hasRoom = null)
    {
        this.stream = stream;
        this.failed = failed;
        this.hasRoom = hasRoom ?? (() => false);
        bound = boundBytes;
        filling = new byte[Math.Min(boundBytes, 1 << 20)];
        sending = new byte[filling.Length];
        sender = new Thread(SendLoop) { IsBackground = true, Name = "colo frames out" };
        sender.Start();
    }

    /// <summary>Queues a frame for the next <see cref="Flush"/>; false when the link has failed. Any thread.</summary>
    public bool TryWrite(int nic, ulong epoch, ReadOnlySpan<byte> frame)
    {
        int length = HeadLength + frame.Length;
        lock (gate)
        {
            if (ended || frame.Length is 0 or > FrameLengthMax || !TryMakeRoom(length))
            {
                return false;
            }

            Span<byte> target = filling.AsSpan(filled, length);
            BinaryPrimitives.WriteInt32BigEndian(target, frame.Length);
            BinaryPrimitives.WriteUInt16BigEndian(target[4..], (ushort)nic);
            BinaryPrimitives.WriteUInt16BigEndian(target[6..], 0);
            BinaryPrimitives.WriteUInt64BigEndian(target[8..], epoch);
            frame.CopyTo(target[HeadLength..]);
            filled += length;
            return true;
        }
    }

    /// <summary>Sends what is queued. Any thread; never waits for the peer.</summary>
    public void Flush()
    {
        int length;
        lock (gate)
        {
            if (filled == 0 || writing || ended)
            {
                return; // whoever is writing looks again afterwards
            }

            if (filled > DirectBytesMax || !hasRoom())
            {
                due = true;
                System.Threading.Monitor.Pulse(gate);
                return;
            }

            length = Take();
        }

        string? problem = TrySend(length);
        lock (gate)
        {
            writing = false;
            if (problem is null)
            {
                if (filled > 0 || ended)
                {
                    due = true;
                    System.Threading.Monitor.Pulse(gate);
                }
            }
            else if (!ended)
            {
                ended = true;
                System.Threading.Monitor.Pulse(gate);
                ThreadPool.UnsafeQueueUserWorkItem(_ => failed(problem), null);
            }
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            ended = true;
            System.Threading.Monitor.Pulse(gate);
        }
    }

    private bool TryMakeRoom(int length)
    {
        if (filled + length <= filling.Length)
        {
            return true;
        }

        if (filled + length > bound)
        {
            ended = true;
            System.Threading.Monitor.Pulse(gate);
            ThreadPool.UnsafeQueueUserWorkItem(_ => failed($"the peer does not read: {filled} bytes wait"), null);
            return false;
        }

        Array.Resize(ref filling, Math.Min(bound, Math.Max(filling.Length * 2, filled + length)));
        return true;
    }

    /// <summary>Under the gate: what is queued becomes what is being sent, by the caller.</summary>
    private int Take()
    {
        (filling, sending) = (sending, filling);
        int length = filled;
        filled = 0;
        due = false;
        writing = true;
        return length;
    }

    private string? TrySend(int length)
    {
        try
        {
            stream.Write(sending, 0, length);
            stream.Flush();
            return null;
        }
        catch (Exception problem) when (problem is IOException or ObjectDisposedException)
        {
            return problem.Message;
        }
    }

    private void SendLoop()
    {
        HostThread.Hurry();
        while (true)
        {
            int length;
            lock (gate)
            {
                while ((!due || writing) && !ended)
                {
                    System.Threading.Monitor.Wait(gate);
                }

                if (ended)
                {
                    return;
                }

                length = Take();
            }

            string? problem = TrySend(length);
            bool report;
            lock (gate)
            {
                writing = false;
                due |= filled > 0; // whoever flushed meanwhile has left it to this thread
                report = problem is not null && !ended;
                ended |= report;
            }

            if (report)
            {
                failed(problem!);
                return;
            }
        }
    }
}
