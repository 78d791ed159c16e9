namespace Colo.Vmm.Net;

/// <summary>
/// One connection of the rewriter. States:
/// <code>
///   Handshake --client acknowledges the primary's SYN--> Translating --FIN both ways or RST--> Closing --time--> forgotten
///       any --checkpoint loaded--> Aligned (the guest runs the primary's own stack state; offset 0 or the saved one)
/// </code>
/// </summary>
internal sealed class RewriterEntry
{
    public ConnectionKey Key { get; set; }

    /// <summary>Which load of a checkpoint the entry belongs to; an older one means "aligned, offset 0".</summary>
    public int Generation { get; set; }

    /// <summary>The guest's sequence number minus the one the client sees.</summary>
    public uint Offset { get; set; }

    /// <summary>The offset is right for this connection. False only while a handshake that began after the load
    /// runs.</summary>
    public bool IsOffsetKnown { get; set; }

    public SequenceNumber? GuestSyn { get; set; }

    /// <summary>
    /// The guest's timestamp clock minus the one the client sees (RFC 7323). Null while it is not known or the
    /// connection has no timestamps. Only ever set beside an <see cref="Offset"/> other than 0: a guest with the
    /// primary's numbers has the primary's clock too.
    /// </summary>
    public uint? TimestampOffset { get; set; }

    /// <summary>The timestamp that the guest sent last, in its own clock.</summary>
    public uint? GuestTimestamp { get; set; }

    /// <summary>The latest timestamp that the client has echoed, in the client's view of the clock.</summary>
    public uint ClientEcho { get; set; }

    /// <summary>The guest has sent nothing after its SYN, so the SYN's timestamp is the only one that the client
    /// can echo.</summary>
    public bool HasOnlySentSyn { get; set; }

    /// <summary>The SYN of a client that the guest has not answered yet.</summary>
    public SequenceNumber? PendingClientSyn { get; set; }

    /// <summary>The SYN of the client that the guest has answered.</summary>
    public SequenceNumber? ClientSyn { get; set; }

    /// <summary>The guest has sent SYN and ACK, so a plain acknowledgement of the client can complete the
    /// handshake.</summary>
    public bool HasGuestAnswered { get; set; }

    /// <summary>What the guest acknowledged last: a valid reset of the client stands there or, when an
    /// acknowledgement is under way, a little later. Null: it has sent none since the load.</summary>
    public SequenceNumber? GuestAck { get; set; }

    public bool HasGuestFin { get; set; }

    public bool HasClientFin { get; set; }

    /// <summary>Set when the connection has ended: it is forgotten when nothing was seen of it until then.</summary>
    public TimeSpan? ForgetAt { get; set; }

    // Links of the list that the entry is on: those that may be forgotten, or those that must not.
    public RewriterEntry? Previous { get; set; }

    public RewriterEntry? Next { get; set; }

    public bool IsOnEvictable { get; set; }

    public void Begin(in ConnectionKey key, int generation)
    {
        Key = key;
        Align(generation);
    }

    /// <summary>A checkpoint was loaded since: the guest's numbers are the client's, and what was learnt of a
    /// handshake or of an end is void.</summary>
    public void Align(int generation)
    {
        Generation = generation;
        ForgetAt = null;
        Offset = 0;
        TimestampOffset = null;
        GuestTimestamp = null;
        ClientEcho = 0;
        HasOnlySentSyn = false;
        IsOffsetKnown = true;
        GuestSyn = null;
        ClientSyn = null;
        PendingClientSyn = null;
        HasGuestAnswered = false;
        GuestAck = null;
        HasGuestFin = false;
        HasClientFin = false;
    }

    /// <summary>The guest sent a SYN of its own making: the offset is to be learnt.</summary>
    public void BeginHandshake(SequenceNumber guestSyn)
    {
        Offset = 0;
        TimestampOffset = null;
        GuestTimestamp = null;
        ClientEcho = 0;
        HasOnlySentSyn = false;
        IsOffsetKnown = false;
        GuestSyn = guestSyn;
        HasGuestAnswered = false;
        GuestAck = null;
        HasGuestFin = false;
        HasClientFin = false;
        ForgetAt = null;
    }
}
