namespace Colo.Simulation;

/// <summary>
/// Bugs that the suite must find (reliability page, C.10). They live in the simulated shells around the cores, never in
/// production code.
/// </summary>
public enum Mutant
{
    None = 0,

    /// <summary>Release held frames at the capture, not after the acknowledged commit.</summary>
    M1,

    /// <summary>Permit Committed granted before the secondary has committed.</summary>
    M2,

    /// <summary>Matched without the ACK clause.</summary>
    M3,

    /// <summary>Solo without waiting for the arbiter.</summary>
    M4,

    /// <summary>One receiver ignores the term.</summary>
    M5,

    /// <summary>Unknown taken for yes.</summary>
    M6,

    /// <summary>After losing the term, go on by Solo.</summary>
    M7,

    /// <summary>The old disk generation is dropped before the commit.</summary>
    M9,

    /// <summary>The merge's list forgets an entry before it is flushed.</summary>
    M10,

    /// <summary>A partial image is applied in place.</summary>
    M11,

    /// <summary>Mismatches are counted instead of latched.</summary>
    M12,

    /// <summary>A frame is dropped when many are held.</summary>
    M14,

    /// <summary>Only the primary's frames age.</summary>
    M17,

    /// <summary>The promoted host still obeys replication messages.</summary>
    M19,

    /// <summary>The mirror replays its queue.</summary>
    M20,

    /// <summary>Protected is reported when the copy ends.</summary>
    M21,

    /// <summary>A host that wakes up judges its peers before it has listened.</summary>
    M26,

    /// <summary>An image forgets a page that was written.</summary>
    M22Page,

    /// <summary>An image forgets a control register.</summary>
    M22Csr,

    /// <summary>An image forgets a register of a device.</summary>
    M22Device,

    /// <summary>The witness answers before its write is durable.</summary>
    M23,

    /// <summary>A flush is answered before the disk has it.</summary>
    EarlyFlush,

    /// <summary>A guest's end is told once, if its host can act on it or not; images of it are taken.</summary>
    EndToldOnce,

    /// <summary>The secondary's guest reads the disk below the buffer.</summary>
    ReadThrough,

    /// <summary>A shared disk is written although the secondary has not answered lately, or the link is lost.</summary>
    NoLease,

    /// <summary>The secondary does not get what a shared disk had before it is written.</summary>
    NoOriginals,

    /// <summary>What a host had noted of its disk's sectors outlives the disk, and the term too.</summary>
    KeptSession,

    /// <summary>The term in which a host's disk was in step last outlives the disk.</summary>
    KeptTerm,

    /// <summary>Answers are matched without their epoch.</summary>
    Untagged,

    /// <summary>Solo is kept while the pair is being asked for.</summary>
    SoloJoin,
}
