namespace Colo.Vmm.Net;

/// <summary>
/// Where one connection of a comparer stands on both sides. Sequence and acknowledgement numbers are those that the
/// client sees, null where the comparer knows none: it has none of flows other than TCP.
/// </summary>
/// <param name="ReleasedTo">Everything below has been released to the client.</param>
/// <param name="PrimarySent">End of what the primary's guest has sent.</param>
/// <param name="SecondarySent">End of what the secondary's guest has sent beyond what was released.</param>
/// <param name="ReleasedAck">Highest acknowledgement that the client was given.</param>
/// <param name="PrimaryAck">The last acknowledgement of the primary's guest, released or not.</param>
/// <param name="SecondaryAck">Highest acknowledgement of the secondary's guest in its epoch.</param>
/// <param name="Held">Frames of the primary that wait.</param>
/// <param name="SecondaryWaiting">Frames of the secondary that wait to be compared.</param>
/// <param name="HasDiffered">A difference was found: the connection waits for a checkpoint.</param>
public sealed record ConnectionPosition(
    ConnectionKey Key, uint? ReleasedTo, uint? PrimarySent, uint? SecondarySent, uint? ReleasedAck, uint? PrimaryAck,
    uint? SecondaryAck, int Held, int SecondaryWaiting, bool HasDiffered, bool IsPassThrough)
{
    /// <summary>The guest's sequence numbers here minus those that the client sees; null where the rewriter does not
    /// know the connection.</summary>
    public uint? RewriterOffset { get; init; }

    internal static ConnectionPosition Of(ComparerConnection connection) => new(
        connection.Key, connection.Watermark?.Value, End(connection.PrimaryQueue, connection.Watermark),
        End(connection.SecondaryQueue, null), connection.ReleasedAck?.Value,
        connection.PrimaryQueue.Last is { Flags: var flags } last && (flags & TcpFlags.Ack) != 0
            ? last.Acknowledgement.Value : connection.ReleasedAck?.Value,
        connection.SecondaryAck?.Value, connection.PrimaryQueue.Count, connection.SecondaryQueue.Count,
        connection.HasDiffered, connection.IsPassThrough);

    private static uint? End(FrameQueue queue, SequenceNumber? otherwise)
    {
        SequenceNumber? end = otherwise;
        for (var frame = queue.First; frame is not null; frame = frame.Next)
        {
            if (frame.Kind == FrameKind.Tcp && (frame.Flags & TcpFlags.Rst) == 0)
            {
                var own = frame.Sequence + frame.PayloadLength;
                end = end is { } known ? SequenceNumber.Max(known, own) : own;
            }
        }

        return end?.Value;
    }
}
