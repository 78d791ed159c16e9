using Colo.Vmm.Links;

namespace Colo.Actors.Links;

/// <summary>Reads the frames of one accepted control link until it ends. What is not a frame ends it.</summary>
internal static class InboundLink
{
    /// <summary>Takes a frame's type and payload; false when the payload makes no sense, which ends the link.</summary>
    public delegate bool FrameReceived(DataLink link, byte type, ReadOnlySpan<byte> payload);

    /// <returns>A sentence: why the link ended.</returns>
    public static async Task<string> ReadAsync(DataLink link, FrameReceived received, CancellationToken cancellation)
    {
        byte[] head = new byte[ControlFrame.HeadLength];
        byte[] payload = new byte[ControlFrame.LengthMax];
        try
        {
            while (true)
            {
                await link.Stream.ReadExactlyAsync(head, cancellation).ConfigureAwait(false);
                int length = ControlFrame.ReadLength(head);
                if (length < 0)
                {
                    return "bytes that are not a control frame";
                }

                await link.Stream.ReadExactlyAsync(payload.AsMemory(0, length), cancellation).ConfigureAwait(false);
                if (!received(link, head[4], payload.AsSpan(0, length)))
                {
                    return "a control frame that makes no sense";
                }
            }
        }
        catch (Exception problem) when (problem is IOException or OperationCanceledException or ObjectDisposedException)
        {
            return problem.Message;
        }
        finally
        {
            link.Dispose();
        }
    }
}
