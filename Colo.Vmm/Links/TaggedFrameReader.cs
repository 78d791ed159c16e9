using System.Buffers.Binary;

namespace Colo.Vmm.Links;

/// <summary>A frame from a mirror or compare link; the span is valid during the call only.</summary>
public delegate void TaggedFrameHandler(int nic, ulong epoch, ReadOnlySpan<byte> frame);

/// <summary>Reads what <see cref="TaggedFrameWriter"/> wrote, on a thread of its own, until the link ends.</summary>
public sealed class TaggedFrameReader
{
    private readonly Stream stream;
    private readonly TaggedFrameHandler received;
    private readonly Action<string> ended;
    private readonly byte[] buffer = new byte[256 << 10];

    /// <param name="received">Called for each frame, in order.</param>
    /// <param name="ended">Called once, with a sentence, when the link has ended or sent what is no frame.</param>
    public TaggedFrameReader(Stream stream, TaggedFrameHandler received, Action<string> ended)
    {
        this.stream = stream;
        this.received = received;
        this.ended = ended;
        new Thread(ReadLoop) { IsBackground = true, Name = "colo frames in" }.Start();
    }

    private void ReadLoop()
    {
        HostThread.Hurry();
        string why = "the peer closed the link";
        int filled = 0;
        try
        {
            int length;
            while ((length = stream.Read(buffer, filled, buffer.Length - filled)) > 0)
            {
                filled += length;
                int used = Take(buffer.AsSpan(0, filled));
                if (used < 0)
                {
                    why = "bytes that are no frame";
                    break;
                }

                buffer.AsSpan(used, filled - used).CopyTo(buffer);
                filled -= used;
            }
        }
        catch (Exception problem) when (problem is IOException or ObjectDisposedException)
        {
            why = problem.Message;
        }

        ended(why);
    }

    /// <summary>Hands over the whole frames; returns the bytes used, or -1 when these are no frames.</summary>
    private int Take(ReadOnlySpan<byte> bytes)
    {
        int used = 0;
        while (bytes.Length - used >= TaggedFrameWriter.HeadLength)
        {
            ReadOnlySpan<byte> head = bytes[used..];
            int length = BinaryPrimitives.ReadInt32BigEndian(head);
            if (length is <= 0 or > TaggedFrameWriter.FrameLengthMax)
            {
                return -1;
            }

            if (head.Length < TaggedFrameWriter.HeadLength + length)
            {
                break;
            }

            received(
                BinaryPrimitives.ReadUInt16BigEndian(head[4..]),
                BinaryPrimitives.ReadUInt64BigEndian(head[8..]),
                head.Slice(TaggedFrameWriter.HeadLength, length));
            used += TaggedFrameWriter.HeadLength + length;
        }

        return used;
    }
}
