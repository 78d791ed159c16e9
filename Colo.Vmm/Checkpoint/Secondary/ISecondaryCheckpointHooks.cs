namespace Colo.Vmm.Checkpoint.Secondary;

/// <summary>
/// The secondary's owner: what else has to happen at the steps of a checkpoint. Called on the receiver's control
/// thread, in the order of the members; each must return soon, because the guest stands meanwhile.
/// </summary>
public interface ISecondaryCheckpointHooks
{
    /// <summary>The guest stands; the primary is told when this returns.</summary>
    void Paused(CheckpointStamp stamp);

    /// <summary>
    /// Everything is here and verified. True chooses this checkpoint for good: from then on it is only rolled forward,
    /// and the primary may release what it held. False refuses, for example because a takeover has begun.
    /// </summary>
    bool TryCommit(CheckpointStamp stamp);

    /// <summary>Memory and devices are at the checkpoint; the guest goes on when this returns (disk buffer,
    /// rewriter).</summary>
    void Loaded(CheckpointStamp stamp);

    /// <summary>The checkpoint will not be; the guest goes on from its own state when this returns.</summary>
    void Aborted(CheckpointStamp stamp, AbortReason reason);

    /// <summary>The committed state could not be loaded into the machine. It stays paused and is not a replica any
    /// more.</summary>
    void LoadFailed(CheckpointStamp stamp, string error);

    /// <summary>The bound of <see cref="SecondaryCheckpointOptions.WantCheckpointPages"/> is reached. Any
    /// thread.</summary>
    void CheckpointWanted(CheckpointWantedReason reason);

    /// <summary>The link is gone, whatever was in flight discarded. Called once, as the last of all.</summary>
    void LinkLost(LinkFailure failure);
}
