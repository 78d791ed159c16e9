using System.Buffers.Binary;

namespace Colo.Vmm.Links;

/// <summary>
/// Writes Ethernet frames with their epoch on a mirror or compare link. Producers never wait for the network:
/// frames are copied into one of two buffers, and a thread of its own sends what has gathered while the last batch
/// was under way. A frame on the wire, big endian:
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

    private readonly Stream stream;
    private readonly Action<string> failed;
    private readonly int bound;
    private readonly object gate = new();
    private readonly Thread sender;
    private byte[] filling;
    private byte[] sending;
    private int filled;
    private bool ended;

    /// <param name="stream">The link; not disposed here.</param>
    /// <param name="boundBytes">Most bytes that wait.</param>
    /// <param name="failed">Called once, with a sentence, when the link cannot be written any more.</param>
    public TaggedFrameWriter(Stream stream, int boundBytes, Action<string> failed)
    {
        this.stream = stream;
        this.failed = failed;
        bound = boundBytes;
        filling = new byte[Math.Min(boundBytes, 1 << 20)];
        sending = new byte[filling.Length];
        sender = new Thread(SendLoop) { IsBackground = true, Name = "colo frames out" };
        sender.Start();
    }

    /// <summary>Queues a frame; false when the link has failed. Any thread.</summary>
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
            System.Threading.Monitor.Pulse(gate);
            return true;
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
            ThreadPool.UnsafeQueueUserWorkItem(_ => failed($"the peer does not read: {filled} bytes wait"), null);
            return false;
        }

        Array.Resize(ref filling, Math.Min(bound, Math.Max(filling.Length * 2, filled + length)));
        return true;
    }

    private void SendLoop()
    {
        HostThread.Hurry();
        while (true)
        {
            int length;
            lock (gate)
            {
                while (filled == 0 && !ended)
                {
                    System.Threading.Monitor.Wait(gate);
                }

                if (ended)
                {
                    return;
                }

                (filling, sending) = (sending, filling);
                length = filled;
                filled = 0;
            }

            try
            {
                stream.Write(sending, 0, length);
                stream.Flush();
            }
            catch (Exception problem) when (problem is IOException or ObjectDisposedException)
            {
                bool report;
                lock (gate)
                {
                    report = !ended;
                    ended = true;
                }

                if (report)
                {
                    failed(problem.Message);
                }

                return;
            }
        }
    }
}
