using System.Buffers;
using System.Buffers.Binary;

namespace Colo.Vmm.Net;

/// <summary>
/// Lets the secondary's TCP stack live on connections whose initial sequence number it chose differently from the
/// primary's. The client knows only the primary's numbers: towards the guest acknowledgements (and SACK blocks) are
/// raised by the connection's offset, from the guest sequence numbers are lowered by it, and checksums follow by
/// difference (RFC 1624).
/// <para>The offset is the guest's initial number, seen in its SYN, minus the primary's, seen when the client
/// acknowledges it. After a checkpoint the guest runs the primary's stack, so all offsets go back to those that the
/// primary itself had (0, unless it had once been a secondary). After a takeover the offsets stay until their
/// connections end.</para>
/// <para>Each stack also begins its timestamp clock (RFC 7323) at a number of its own, and refuses an echo that it
/// cannot have sent. That offset is learnt from the same segment: the timestamp of the guest's last SYN minus the
/// echo of the primary's. The two clocks were not read at the same moment, so translated values are bounded: the
/// guest sees no echo later than what it has sent, and the client, which drops segments with a timestamp from the
/// past, none earlier than what it has echoed.</para>
/// <para>An ICMP error towards the guest quotes a number of the client's; it is raised as well, or the guest would not
/// believe that the path has become smaller and would send for ever what does not arrive.</para>
/// <para>Place: the last step before the guest's network card, so that a client's frame passes here when it is
/// delivered and not while it waits for a load. Handles IPv4 and IPv6, VLANs and first fragments; everything else
/// passes. Not thread safe. Sources: RFC 9293 sections 3.5 and 3.10, RFC 2018, RFC 7323, RFC 1624, RFC 5927.</para>
/// </summary>
public sealed class SequenceRewriter
{
    /// <summary>The version of the saved table that this build writes and reads.</summary>
    public const byte SavedVersion = 2;

    private const int BlobEntryBytes = 48;

    // How far behind its SYN a client's segment may stand to count as a part of the handshake: more than any first
    // window.
    private const int HandshakeBytesMax = 1 << 20;

    // How far above the guest's last acknowledgement a client's reset may stand: more than what a guest leaves
    // unacknowledged.
    private const int ResetBytesMax = 1 << 20;
    private readonly RewriterOptions options;
    private readonly RewriterTable table;
    private bool isPromoted;

    public SequenceRewriter(RewriterOptions? options = null)
    {
        this.options = options ?? new RewriterOptions();
        table = new RewriterTable(this.options.ConnectionsMax);
    }

    /// <summary>Connections in the table, the ended ones included.</summary>
    public int ConnectionCount => table.Count;

    /// <summary>Connections that pass unchanged because the table was full of live ones. They cost checkpoints, not
    /// data.</summary>
    public long Refused { get; private set; }

    public long Rewritten { get; private set; }

    public long Withheld { get; private set; }

    /// <summary>No connection needs this any more: a promoted host may take the rewriter out of the path.</summary>
    public bool IsIdle => !table.HasTranslating;

    /// <summary>The guest's numbers minus the client's on a connection, by its key from the guest's side; null when
    /// none is known.</summary>
    public uint? OffsetOf(in ConnectionKey connection) =>
        table.Peek(connection) is { IsOffsetKnown: true, Offset: var offset } ? offset : null;

    /// <summary>
    /// A frame from the client. <paramref name="isChecksumPartial"/>: the checksum field holds only the pseudo
    /// header's sum, which is left to a network card to finish, and does not contain the numbers.
    /// </summary>
    [HotPath]
    public RewriteResult ToGuest(Span<byte> frame, TimeSpan now, bool isChecksumPartial = false)
    {
        var view = FrameView.Parse(frame);
        if (view.Kind != FrameKind.Tcp)
        {
            return TranslateQuotation(frame, view, now);
        }
        var flags = view.TcpFlags;
        var entry = table.Find(ConnectionKey.Of(view).Reversed(), now);
        if ((flags & (TcpFlags.Syn | TcpFlags.Ack | TcpFlags.Rst)) == TcpFlags.Syn)
        {
            NoteClientSyn(entry, view, now);
            return RewriteResult.Unchanged;
        }
        if (entry is null)
        {
            return RewriteResult.Unchanged;
        }
        if ((flags & TcpFlags.Ack) != 0 && !TryLearn(entry, view))
        {
            Withheld++;
            return RewriteResult.Withhold;
        }
        var result = (flags & TcpFlags.Ack) != 0 && entry.IsOffsetKnown && entry.Offset != 0
            ? TranslateAcknowledgement(frame, view, entry, isChecksumPartial)
            : RewriteResult.Unchanged;
        NoteEnd(entry, view, isGuest: false, now);
        return result;
    }

    /// <summary>A frame from the guest; see <see cref="ToGuest"/>. Never withheld.</summary>
    [HotPath]
    public RewriteResult FromGuest(Span<byte> frame, TimeSpan now, bool isChecksumPartial = false)
    {
        var view = FrameView.Parse(frame);
        if (view.Kind != FrameKind.Tcp)
        {
            return RewriteResult.Unchanged;
        }
        var flags = view.TcpFlags;
        var entry = table.Find(ConnectionKey.Of(view), now);
        if ((flags & (TcpFlags.Syn | TcpFlags.Rst)) == TcpFlags.Syn)
        {
            entry = NoteGuestSyn(entry, view, now);
        }
        // A reset that answers a segment without acknowledgement has the number 0 by definition (RFC 9293 section
        // 3.5.2), in no stream.
        var isOutsideStream = (flags & (TcpFlags.Rst | TcpFlags.Ack)) == (TcpFlags.Rst | TcpFlags.Ack) && view.Sequence.Value == 0;
        if (entry is null || isOutsideStream)
        {
            return RewriteResult.Unchanged;
        }
        if (entry.GuestSyn is null && (flags & (TcpFlags.Syn | TcpFlags.Rst | TcpFlags.Ack)) == TcpFlags.Ack)
        {
            // The guest has this connection from its image: the client's SYN came late or twice and is not answered.
            entry.PendingClientSyn = null;
        }
        var result = RewriteResult.Unchanged;
        if (!entry.IsOffsetKnown && entry.HasGuestAnswered && (flags & (TcpFlags.Syn | TcpFlags.Rst)) == 0
            && (view.PayloadLength > 0 || (flags & TcpFlags.Fin) != 0))
        {
            // The guest is past its handshake though nothing was translated for it: its numbers are the primary's. It
            // repeated the image's answer after an acknowledgement had passed here; the next one would teach too much.
            entry.IsOffsetKnown = true;
            entry.ForgetAt = null;
            table.Place(entry);
        }
        if (!entry.IsOffsetKnown)
        {
            NoteGuestTimestamp(entry, view);
        }
        else if (entry.Offset != 0)
        {
            TranslateSequence(frame, view, entry, isChecksumPartial);
            result = RewriteResult.Rewritten;
        }
        NoteEnd(entry, view, isGuest: true, now);
        return result;
    }

    /// <summary>The guest now runs the image of a checkpoint whose primary had no offsets.</summary>
    public void CheckpointLoaded() => table.AlignAll();

    /// <summary>
    /// The guest now runs the image of a checkpoint; <paramref name="savedOffsets"/> is what the primary's rewriter
    /// had saved with it. False, and nothing changed, when the bytes are not a saved table.
    /// </summary>
    public bool TryCheckpointLoaded(ReadOnlySpan<byte> savedOffsets, TimeSpan now)
    {
        if (savedOffsets.Length < 5 || savedOffsets[0] != SavedVersion)
        {
            return false;
        }
        var count = BinaryPrimitives.ReadUInt32BigEndian(savedOffsets[1..]);
        if (savedOffsets.Length - 5 != (long)count * BlobEntryBytes)
        {
            return false;
        }
        table.AlignAll();
        for (var rest = savedOffsets[5..]; !rest.IsEmpty; rest = rest[BlobEntryBytes..])
        {
            var key = ConnectionKey.Read(rest);
            var entry = table.Find(key, now) ?? table.TryAdd(key, now);
            if (entry is null)
            {
                Refused++;
                continue;
            }
            entry.Offset = BinaryPrimitives.ReadUInt32BigEndian(rest[40..]);
            var timestampOffset = BinaryPrimitives.ReadUInt32BigEndian(rest[44..]);
            entry.TimestampOffset = timestampOffset != 0 && entry.Offset != 0 ? timestampOffset : null;
            table.Place(entry);
        }
        return true;
    }

    /// <summary>Writes the offsets of a host that was once a secondary, as a part of its checkpoints. Layout:
    /// docs/protocol-packets.md.</summary>
    public void Save(IBufferWriter<byte> target)
    {
        ArgumentNullException.ThrowIfNull(target);
        var count = 0;
        for (var entry = table.FirstTranslating; entry is not null; entry = entry.Next)
        {
            count += entry.IsOffsetKnown ? 1 : 0;
        }
        var span = target.GetSpan(5 + (count * BlobEntryBytes));
        span[0] = SavedVersion;
        BinaryPrimitives.WriteUInt32BigEndian(span[1..], (uint)count);
        var offset = 5;
        for (var entry = table.FirstTranslating; entry is not null; entry = entry.Next)
        {
            if (entry.IsOffsetKnown)
            {
                entry.Key.Write(span[offset..]);
                BinaryPrimitives.WriteUInt32BigEndian(span[(offset + 40)..], entry.Offset);
                BinaryPrimitives.WriteUInt32BigEndian(span[(offset + 44)..], entry.TimestampOffset ?? 0);
                offset += BlobEntryBytes;
            }
        }
        target.Advance(offset);
    }

    /// <summary>
    /// The host has taken over: offsets stay until their connections end, and connections that begin now are the
    /// guest's own and need none.
    /// </summary>
    public void Promote() => isPromoted = true;

    /// <summary>The host is a secondary (again).</summary>
    public void Demote() => isPromoted = false;

    private void NoteClientSyn(RewriterEntry? entry, in FrameView view, TimeSpan now)
    {
        if (entry is null)
        {
            if (isPromoted)
            {
                return;
            }
            entry = table.TryAdd(ConnectionKey.Of(view).Reversed(), now);
            if (entry is null)
            {
                Refused++;
                return;
            }
        }
        // An established connection is not given up for a SYN: it may be a blind attack, which the guest answers
        // with a challenge (RFC 5961). Only the guest's own SYN begins a new one.
        entry.PendingClientSyn = view.Sequence;
        table.Place(entry);
    }

    private RewriterEntry? NoteGuestSyn(RewriterEntry? entry, in FrameView view, TimeSpan now)
    {
        var isAnswer = (view.TcpFlags & TcpFlags.Ack) != 0;
        var answered = view.Acknowledgement + -1;
        if (entry is null)
        {
            if (isPromoted)
            {
                return null;
            }
            entry = table.TryAdd(ConnectionKey.Of(view), now);
            if (entry is null)
            {
                Refused++;
                return null;
            }
        }
        if (entry.GuestSyn == view.Sequence)
        {
            entry.HasGuestAnswered |= isAnswer;
            return entry;
        }
        // A SYN may have passed here before the load of the image that has received it and not answered it yet: both
        // guests answer it after the capture, each with a number of its own. An answer that the image had given before
        // is repeated with the primary's number, and learning gives the offset 0. Only an offset that came with the
        // image is known without learning.
        var cameWithImage = isAnswer && entry.GuestSyn is null && entry.Offset != 0
            && entry.PendingClientSyn != answered;
        if (!cameWithImage)
        {
            entry.BeginHandshake(view.Sequence);
            entry.ForgetAt = now + options.TimeWait;
            entry.HasGuestAnswered = isAnswer;
            entry.ClientSyn = isAnswer ? answered : null;
            entry.PendingClientSyn = null;
            table.Place(entry);
        }
        return entry;
    }

    // False: the segment must not reach the guest.
    private bool TryLearn(RewriterEntry entry, in FrameView view)
    {
        if (entry.IsOffsetKnown)
        {
            // The client acknowledges the primary's answer to a SYN that this guest has not answered yet. Once the
            // guest is the only one, there is no other answer: then the SYN was a late one of a live connection.
            var isEarly = !isPromoted && entry.PendingClientSyn is { } pending && entry.Offset == 0
                && entry.GuestSyn is null && (view.TcpFlags & TcpFlags.Syn) == 0
                && (view.Sequence - pending) is >= 1 and <= HandshakeBytesMax;
            return !isEarly;
        }
        var isSyn = (view.TcpFlags & TcpFlags.Syn) != 0;
        var isReset = (view.TcpFlags & TcpFlags.Rst) != 0;
        if (!isSyn && !isReset)
        {
            // An acknowledgement completes a handshake only when the guest has answered and it belongs to this
            // client's SYN: a late segment of a former connection would give an offset that is never repaired.
            if (!entry.HasGuestAnswered || (entry.ClientSyn is { } syn && (view.Sequence - syn) is < 1 or > HandshakeBytesMax))
            {
                return true;
            }
        }
        entry.Offset = unchecked(entry.GuestSyn!.Value.Value - (view.Acknowledgement + -1).Value);
        entry.IsOffsetKnown = true;
        LearnTimestampOffset(entry, view);
        entry.ForgetAt = null;
        table.Place(entry);
        return true;
    }

    private static void LearnTimestampOffset(RewriterEntry entry, in FrameView view)
    {
        if (entry.Offset == 0 || entry.GuestTimestamp is not { } sent || !TcpOptions.TryFindTimestamps(view.TcpOptions, out var at))
        {
            return;
        }
        var echo = BinaryPrimitives.ReadUInt32BigEndian(view.TcpOptions[(at + 4)..]);
        if (echo != 0)
        {
            entry.TimestampOffset = unchecked(sent - echo);
            entry.ClientEcho = echo;
        }
    }

    // Where the option's value stands in the frame, or -1. Reads the guest's own number, so it comes before the
    // translation.
    private static int NoteGuestTimestamp(RewriterEntry entry, in FrameView view)
    {
        entry.HasOnlySentSyn = (view.TcpFlags & TcpFlags.Syn) != 0;
        if (!TcpOptions.TryFindTimestamps(view.TcpOptions, out var at))
        {
            return -1;
        }
        entry.GuestTimestamp = BinaryPrimitives.ReadUInt32BigEndian(view.TcpOptions[at..]);
        return view.TransportOffset + 20 + at;
    }

    private void TranslateSequence(Span<byte> frame, in FrameView view, RewriterEntry entry, bool isChecksumPartial)
    {
        var at = NoteGuestTimestamp(entry, view);
        var sequence = unchecked(view.Sequence.Value - entry.Offset);
        ReplaceNumber(frame, view, view.TransportOffset + 4, sequence, isChecksumPartial);
        if (at >= 0 && entry.TimestampOffset is { } timestampOffset)
        {
            var value = unchecked(entry.GuestTimestamp!.Value - timestampOffset);
            ReplaceNumber(frame, view, at, Later(value, entry.ClientEcho), isChecksumPartial);
        }
        Rewritten++;
    }

    private RewriteResult TranslateAcknowledgement(Span<byte> frame, in FrameView view, RewriterEntry entry, bool isChecksumPartial)
    {
        var acknowledgement = unchecked(view.Acknowledgement.Value + entry.Offset);
        ReplaceNumber(frame, view, view.TransportOffset + 8, acknowledgement, isChecksumPartial);
        var optionsOffset = 0;
        while (TcpOptions.TryNext(view.TcpOptions, ref optionsOffset, out var kind, out var body))
        {
            var bodyOffset = view.TransportOffset + 20 + optionsOffset - body.Length;
            if (kind == TcpOptions.Timestamps && body.Length == TcpOptions.TimestampsBodyBytes)
            {
                TranslateEcho(frame, view, entry, bodyOffset + 4, isChecksumPartial);
            }
            for (var edge = 0; kind == TcpOptions.Sack && edge + 4 <= body.Length; edge += 4)
            {
                var value = BinaryPrimitives.ReadUInt32BigEndian(body[edge..]);
                ReplaceNumber(frame, view, bodyOffset + edge, unchecked(value + entry.Offset), isChecksumPartial);
            }
        }
        Rewritten++;
        return RewriteResult.Rewritten;
    }

    // The checksum is the message's; that of the quoted segment is usually cut off, and nobody looks at it.
    private RewriteResult TranslateQuotation(Span<byte> frame, in FrameView view, TimeSpan now)
    {
        if (!QuotedSegment.TryFind(view, out var key, out var at)
            || table.Find(key, now) is not { IsOffsetKnown: true, Offset: not 0 } entry)
        {
            return RewriteResult.Unchanged;
        }
        var old = BinaryPrimitives.ReadUInt32BigEndian(frame[at..]);
        var value = unchecked(old + entry.Offset);
        BinaryPrimitives.WriteUInt32BigEndian(frame[at..], value);
        var checksum = frame[(view.TransportOffset + 2)..];
        BinaryPrimitives.WriteUInt16BigEndian(
            checksum, InternetChecksum.Update(BinaryPrimitives.ReadUInt16BigEndian(checksum), old, value));
        Rewritten++;
        return RewriteResult.Rewritten;
    }

    private static void TranslateEcho(Span<byte> frame, in FrameView view, RewriterEntry entry, int at, bool isChecksumPartial)
    {
        var echo = BinaryPrimitives.ReadUInt32BigEndian(frame[at..]);
        if (echo == 0 || entry.TimestampOffset is not { } offset)
        {
            return;
        }
        // A table that came with a checkpoint has no echo yet, and any number is later than none.
        entry.ClientEcho = entry.ClientEcho == 0 ? echo : Later(entry.ClientEcho, echo);
        var value = unchecked(echo + offset);
        if (entry.GuestTimestamp is { } sent && (entry.HasOnlySentSyn || unchecked((int)(value - sent)) > 0))
        {
            value = sent;
        }
        ReplaceNumber(frame, view, at, value, isChecksumPartial);
    }

    // By signed difference, as the clocks wrap; 0 stands for no bound.
    private static uint Later(uint value, uint bound) => bound != 0 && unchecked((int)(bound - value)) > 0 ? bound : value;

    private static void ReplaceNumber(Span<byte> frame, in FrameView view, int at, uint value, bool isChecksumPartial)
    {
        var old = BinaryPrimitives.ReadUInt32BigEndian(frame[at..]);
        BinaryPrimitives.WriteUInt32BigEndian(frame[at..], value);
        if (!isChecksumPartial)
        {
            var checksumAt = frame[(view.TransportOffset + 16)..];
            var isOdd = ((at - view.TransportOffset) & 1) != 0;
            var checksum = InternetChecksum.Update(BinaryPrimitives.ReadUInt16BigEndian(checksumAt), old, value, isOdd);
            BinaryPrimitives.WriteUInt16BigEndian(checksumAt, checksum);
        }
    }

    private void NoteEnd(RewriterEntry entry, in FrameView view, bool isGuest, TimeSpan now)
    {
        var flags = view.TcpFlags;
        if (isGuest && (flags & (TcpFlags.Ack | TcpFlags.Rst)) == TcpFlags.Ack)
        {
            entry.GuestAck = view.Acknowledgement;
        }
        entry.HasGuestFin |= isGuest && (flags & TcpFlags.Fin) != 0;
        entry.HasClientFin |= !isGuest && (flags & TcpFlags.Fin) != 0;
        var isReset = (flags & TcpFlags.Rst) != 0 && (isGuest || MayBeValidReset(entry, view));
        if (isReset || (entry.HasGuestFin && entry.HasClientFin) || entry.ForgetAt is not null)
        {
            // Kept for a while after the last segment: the offset is needed for what is sent again, and a reset may
            // not have been valid.
            var isFirst = entry.ForgetAt is null;
            entry.ForgetAt = now + options.TimeWait;
            if (isFirst)
            {
                table.Place(entry);
            }
        }
    }

    // The guest takes a reset at exactly the number that it expects (RFC 5961 section 3.2), which is what it has
    // acknowledged, or more while an acknowledgement is delayed. Anybody can forge one with any number, and a
    // connection that is forgotten for it would lose its offset after a minute of silence.
    private static bool MayBeValidReset(RewriterEntry entry, in FrameView view) =>
        entry.GuestAck is not { } expected || (view.Sequence - expected) is >= 0 and <= ResetBytesMax;
}
