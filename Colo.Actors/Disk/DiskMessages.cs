using Colo.Actors.Protocol;

namespace Colo.Actors.Disk;

/// <summary>What the disks of this VM do on this host.</summary>
public enum DiskRole
{
    /// <summary>No guest here.</summary>
    Idle = 1,

    /// <summary>Owner alone: record which ranges change, so that a former peer needs only these.</summary>
    Solo = 2,

    /// <summary>Forward every guest write to the peer.</summary>
    Primary = 3,

    /// <summary>Receive forwarded writes, keep old sectors in the buffer.</summary>
    Secondary = 4,
}

/// <summary>From the failover controller: the role has changed.</summary>
public sealed record DiskRoleChanged(DiskRole Role, HostIdentity? Peer, Term Term) : Message, IDiskInput;

/// <summary>From the disk link.</summary>
public sealed record DiskLinkLost(HostIdentity Peer) : Message, IDiskInput;

/// <summary>Fill of the disk buffer or of the forwarding queue, in percent of its bound: when it passes a mark, and
/// after each checkpoint until one has emptied it.</summary>
public sealed record DiskBufferLevel(int Percent) : Message, IDiskInput;

/// <summary>A local disk failed a request. The guest sees the error; the policy may move the VM.</summary>
public sealed record LocalDiskError(bool IsWrite) : Message, IDiskInput;

// Resync.

/// <summary>From the failover controller: fill this joiner.</summary>
/// <param name="OwnerBitmapSince">The term since which the owner's bitmap knows every change; zero when it has
/// none.</param>
public sealed record StartResync(HostIdentity Peer, Term Term, DiskLineage Joiner, Term OwnerBitmapSince, long DiskSizeBytes)
    : Message, IResyncInput;

public sealed record StopResync(string Reason) : Message, IResyncInput;

public sealed record DiskCopyProgress(long BytesDone, long BytesTotal) : Message, IResyncInput;

/// <param name="ComparedBytes">What was compared by hash: all of the disks, or what the bitmaps named.</param>
/// <param name="SentBytes">What differed.</param>
/// <param name="TotalBytes">Size of the disks.</param>
public sealed record DiskCopyDone(long ComparedBytes = 0, long SentBytes = 0, long TotalBytes = 0)
    : Message, IResyncInput;

/// <summary>A pass over memory moves: bytes sent since the copy began. About once a second, and not when nothing was
/// sent since the last time.</summary>
public sealed record MemoryCopyProgress(long BytesSent) : Message, IResyncInput;

/// <summary>One pass over memory is sent. <paramref name="DirtyPages"/> were written meanwhile.</summary>
/// <param name="IsLast">The sender has made all the passes that it makes: what is left is the joining
/// checkpoint's.</param>
public sealed record MemoryRoundDone(long PagesSent, long DirtyPages, TimeSpan Duration, bool IsLast = false)
    : Message, IResyncInput;

/// <summary>In a pass over memory the guest wrote faster than the link: it gets this share of its time until the pass
/// ends.</summary>
public sealed record MemoryRoundOutrun(int GuestPercent, int Round, long PagesSent, long DirtyPages)
    : Message, IResyncInput;

public sealed record ResyncChannelFailed(string Reason) : Message, IResyncInput;

/// <summary>How a joiner's disk is brought into step.</summary>
public enum DiskCopyPlan
{
    /// <summary>Only what either side's bitmap names, each range checked by hash.</summary>
    Bitmaps = 1,

    /// <summary>Hashes of every range are compared and only different ones are sent.</summary>
    Hashes = 2,

    /// <summary>Everything is sent.</summary>
    Full = 3,

    /// <summary>There is no replicated disk.</summary>
    Nothing = 4,
}
