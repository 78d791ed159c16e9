using System.Buffers;

namespace Colo.Vmm.Qmp.Replication;

/// <summary>
/// A part of a machine that has to do something at the steps of COLO: a comparer, a filter, a disk. The members stand
/// in the order in which they are called. A text is an error: it ends the step, and with it COLO. Calls come from the
/// migration's thread, one at a time.
/// </summary>
internal interface IReplicationPart
{
    /// <summary>Under what name the part's state goes with a checkpoint; null: it has none.</summary>
    string? StateName => null;

    /// <summary>Primary, guest standing: what the part of the same name needs on the other side.</summary>
    void Save(IBufferWriter<byte> target)
    {
    }

    /// <summary>Secondary, guest standing, before <see cref="Loaded"/>; not called when the primary has no such
    /// part.</summary>
    string? Restore(ReadOnlySpan<byte> state) => null;

    /// <summary>COLO begins; the guest has not run in it yet.</summary>
    string? Start(ReplicationRole role) => null;

    /// <summary>Secondary: a checkpoint begins and the guest stands; the primary is told when this returns.</summary>
    void Paused()
    {
    }

    /// <summary>Primary, before it asks for a checkpoint: whether this part can go into one.</summary>
    string? Check() => null;

    /// <summary>Secondary, guest standing: all of a checkpoint is here, and it is chosen unless a part
    /// objects.</summary>
    string? Closing(ulong epoch) => null;

    /// <summary>
    /// Primary: both guests stand, and everything of the checkpoint is on the secondary: held output may leave.
    /// </summary>
    void Committed()
    {
    }

    /// <summary>Secondary, guest standing: memory and devices are those of this checkpoint.</summary>
    string? Loaded(ulong epoch) => null;

    /// <summary>The checkpoint is over, on the secondary loaded or not; the guest goes on.</summary>
    void Resuming()
    {
    }

    /// <summary>This host goes on alone.</summary>
    string? FailedOver(ReplicationRole role) => null;
}
