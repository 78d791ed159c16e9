using Colo.Vmm.Links;

namespace Colo.Actors.Links;

/// <summary>Reads the frames of one accepted control link until it ends. What is not a frame ends it.</summary>
internal static class InboundLink
{
    /// <summary>Takes a frame's type and payload; false when the payload makes no sense, which ends the link.</summary>
    public delegate bool FrameReceived(DataLink link, byte type, ReadOnlySpan<byte> payload);

    /// <summary>Blocks until the link ends.</summary>
    /// <returns>A sentence: why the link ended.</returns>
    public static string Read(DataLink link, FrameReceived received)
    {
        byte[] head = new byte[ControlFrame.HeadLength];
        byte[] payload = new byte[ControlFrame.LengthMax];
        try
        {
            while (true)
            {
                link.Stream.ReadExactly(head);
                int length = ControlFrame.ReadLength(head);
                if (length < 0)
                {
                    return "bytes that are not a control frame";
                }

                link.Stream.ReadExactly(payload, 0, length);
                if (!received(link, head[4], payload.AsSpan(0, length)))
                {
                    return "a control frame that makes no sense";
                }
            }
        }
        catch (Exception problem) when (problem is IOException or ObjectDisposedException)
        {
            return problem.Message;
        }
        finally
        {
            link.Dispose();
        }
    }
}
