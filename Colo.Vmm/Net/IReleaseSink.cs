namespace Colo.Vmm.Net;

/// <summary>
/// Where the comparer's and the output buffer's decisions go. Calls come from inside the caller's own call and must
/// not call back. A frame is valid during the call; a sink that keeps it takes a reference. A sink must not block
/// (defect H3 of QEMU): it says no instead.
/// </summary>
public interface IReleaseSink
{
    /// <summary>
    /// Sends a frame out. False when the output cannot take it now: the frame stays at the head of its flow,
    /// nothing is lost, and the owner calls <see cref="PacketComparer.OutputReady"/> later.
    /// </summary>
    bool TryRelease(PooledFrame frame, ReleasePermit permit);

    /// <summary>A frame of the primary could not be released on arrival and now waits.</summary>
    void Held(PooledFrame frame)
    {
    }

    /// <summary>A frame's other fate.</summary>
    void Dropped(PooledFrame frame, ReplicaSide side, DropReason reason)
    {
    }

    /// <summary>At most once until the checkpoint that answers it has been captured.</summary>
    void RequestCheckpoint(CheckpointReason reason);

    /// <summary>An answer of one side was not met by the other in time on this connection; before the
    /// request.</summary>
    void Overdue(in ConnectionKey connection)
    {
    }

    /// <summary>The replicas differ; once for each connection and checkpoint, before the request.</summary>
    void Differ(in FrameDifference difference)
    {
    }
}
