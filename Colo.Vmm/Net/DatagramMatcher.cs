namespace Colo.Vmm.Net;

/// <summary>
/// Compares flows without sequence numbers. Datagrams (UDP, ICMP and other protocols over IP) match head to head,
/// in order, by what follows the IP header; a UDP checksum is left out, because offloading leaves it unfinished.
/// <para>Neighbour flows (ARP, IPv6 neighbour discovery, IGMP, MLD) are statements about addresses: they have no
/// order and a repetition says nothing new. So any equal frame of the secondary matches, and a frame equal to the
/// flow's last released one leaves at once: the same bytes have left under a permit before, and a survivor that
/// never repeats them contradicts nothing. A first statement waits for its match or a commit as everything else
/// does.</para>
/// <para>Opaque frames (unknown protocols, malformed packets) match on all bytes; nothing is known about repeating
/// them.</para>
/// </summary>
internal static class DatagramMatcher
{
    private const int StatementBytesMax = 128;

    [HotPath]
    public static Verdict Examine(
        ComparerConnection connection, PooledFrame primary, ref TcpDifference difference, out PooledFrame? match)
    {
        match = null;
        if (connection.Key.Class == FlowClass.Neighbour && IsRepetition(connection, primary))
        {
            return Verdict.Release;
        }
        var other = connection.SecondaryEpoch == primary.Epoch ? connection.SecondaryQueue.First : null;
        if (other is null)
        {
            return Verdict.Hold;
        }
        if (connection.Key.Class == FlowClass.Datagram)
        {
            if (!AreEqual(primary, other))
            {
                difference = Describe(primary, other);
                return Verdict.Differs;
            }
            match = other;
            return Verdict.Release;
        }
        while (other is not null && !AreEqual(primary, other))
        {
            other = other.Next;
        }
        match = other;
        return match is null ? Verdict.Hold : Verdict.Release;
    }

    /// <summary>Whether a frame of either side says what was said before on a neighbour flow.</summary>
    public static bool IsRepetition(ComparerConnection connection, PooledFrame frame) =>
        connection.LastStatementLength == frame.PayloadLength && connection.LastStatement is { } last
        && frame.Payload.SequenceEqual(last.AsSpan(0, connection.LastStatementLength));

    public static void Released(ComparerConnection connection, PooledFrame primary)
    {
        if (connection.Key.Class != FlowClass.Neighbour)
        {
            return;
        }
        connection.LastStatementLength = 0;
        if (primary.PayloadLength <= StatementBytesMax)
        {
            connection.LastStatement ??= new byte[StatementBytesMax];
            primary.Payload.CopyTo(connection.LastStatement);
            connection.LastStatementLength = primary.PayloadLength;
        }
    }

    private static bool AreEqual(PooledFrame primary, PooledFrame secondary)
    {
        if (primary.PayloadLength != secondary.PayloadLength || primary.Kind != secondary.Kind)
        {
            return false;
        }
        var mine = primary.Payload;
        var theirs = secondary.Payload;
        return primary.Kind == FrameKind.Udp
            ? mine[..6].SequenceEqual(theirs[..6]) && mine[8..].SequenceEqual(theirs[8..])
            : mine.SequenceEqual(theirs);
    }

    private static TcpDifference Describe(PooledFrame primary, PooledFrame secondary)
    {
        var at = 0;
        var mine = primary.Payload;
        var theirs = secondary.Payload;
        var shorter = Math.Min(mine.Length, theirs.Length);
        while (at < shorter && (mine[at] == theirs[at] || (primary.Kind == FrameKind.Udp && at is 4 or 5 or 6 or 7)))
        {
            at++;
        }
        return mine.Length != theirs.Length && at == shorter
            ? new TcpDifference(DifferenceKind.Length, at, -1, -1, secondary)
            : at < shorter ? new TcpDifference(DifferenceKind.Payload, at, mine[at], theirs[at], secondary)
            : new TcpDifference(DifferenceKind.Length, at, -1, -1, secondary);
    }
}
