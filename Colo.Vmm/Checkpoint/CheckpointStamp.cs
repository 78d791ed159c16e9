namespace Colo.Vmm.Checkpoint;

/// <summary>
/// Which checkpoint, and by whose right: <paramref name="Term"/> counts who may release (given by the arbiter),
/// <paramref name="Epoch"/> counts checkpoints and grows strictly across terms. Every frame of a checkpoint link
/// carries both.
/// </summary>
/// <param name="Term">The arbiter's term of the primary that sends.</param>
/// <param name="Epoch">The number of the checkpoint; 0 means none yet.</param>
public readonly record struct CheckpointStamp(ulong Term, ulong Epoch)
{
    public override string ToString() => $"term {Term}, epoch {Epoch}";
}
