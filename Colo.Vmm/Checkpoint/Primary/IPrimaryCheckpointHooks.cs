namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>The primary's owner: what else has to happen at the steps of a checkpoint.</summary>
public interface IPrimaryCheckpointHooks
{
    /// <summary>
    /// The guest stands at the capture; it goes on when this returns. Everything that it produces afterwards belongs to
    /// the next epoch: the comparer's epoch and the disk's barrier change here.
    /// </summary>
    void Captured(CheckpointStamp stamp);

    /// <summary>The secondary has committed: what was held from before the capture may be released.</summary>
    void Committed(CheckpointStamp stamp);

    /// <summary>A side is near a bound. Any thread; must not run a checkpoint itself.</summary>
    void CheckpointWanted(CheckpointWantedReason reason);
}
