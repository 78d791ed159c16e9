using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

/// <summary>Writes down every decision, in order.</summary>
internal sealed class RecordingSink : IReleaseSink
{
    public List<(byte[] Frame, ReleasePermit Permit, FrameEpoch Epoch)> Released { get; } = [];

    public List<CheckpointReason> Requests { get; } = [];

    public List<string> Differences { get; } = [];

    public List<(ReplicaSide Side, DropReason Reason)> Drops { get; } = [];

    /// <summary>How many more frames the output takes.</summary>
    public int Room { get; set; } = int.MaxValue;

    public bool TryRelease(PooledFrame frame, ReleasePermit permit)
    {
        if (Room == 0)
        {
            return false;
        }
        Room--;
        Released.Add((frame.Frame.ToArray(), permit, frame.Epoch));
        return true;
    }

    public void RequestCheckpoint(CheckpointReason reason) => Requests.Add(reason);

    public void Differ(in FrameDifference difference) => Differences.Add(difference.Describe());

    public void Dropped(PooledFrame frame, ReplicaSide side, DropReason reason) => Drops.Add((side, reason));
}
