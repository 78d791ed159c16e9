namespace Colo.Vmm.Net;

/// <summary>What a comparer has done since it was made. Written on the comparer's thread, readable on any.</summary>
public sealed class ComparerCounters
{
    private readonly long[] released = new long[5];
    private readonly long[] dropped = new long[8];
    private readonly long[] requests = new long[5];

    public long PrimaryFrames { get; internal set; }

    public long SecondaryFrames { get; internal set; }

    /// <summary>Frames of the primary refused at the memory bound; the caller still has them.</summary>
    public long Refused { get; internal set; }

    /// <summary>Reasons for a checkpoint that came while one was already asked for or in flight.</summary>
    public long RequestsAbsorbed { get; internal set; }

    /// <summary>Connections forgotten because the table was full.</summary>
    public long ConnectionsEvicted { get; internal set; }

    /// <summary>Frames that wait without comparing because the table was full of busy connections.</summary>
    public long ConnectionsRefused { get; internal set; }

    public long Released(ReleasePermit permit) => released[(int)permit];

    public long Dropped(DropReason reason) => dropped[(int)reason];

    public long Requests(CheckpointReason reason) => requests[(int)reason];

    internal void CountReleased(ReleasePermit permit) => released[(int)permit]++;

    internal void CountDropped(DropReason reason) => dropped[(int)reason]++;

    internal void CountRequest(CheckpointReason reason) => requests[(int)reason]++;
}
