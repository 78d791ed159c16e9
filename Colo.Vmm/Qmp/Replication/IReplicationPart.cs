namespace Colo.Vmm.Qmp.Replication;

/// <summary>A part of a machine that has to do something at the steps of COLO. A text is an error.</summary>
internal interface IReplicationPart
{
    /// <summary>COLO begins; the guest has not run in it yet.</summary>
    string? Start(ReplicationRole role) => null;

    /// <summary>
    /// Both guests stand, and everything of the checkpoint is on the secondary: held output may leave.
    /// </summary>
    void Committed()
    {
    }

    /// <summary>Secondary, guest standing: a checkpoint begins.</summary>
    string? Closing(ulong epoch) => null;

    /// <summary>Secondary, guest standing: memory and devices are those of this checkpoint.</summary>
    string? Loaded(ulong epoch) => null;

    /// <summary>This host goes on alone.</summary>
    string? FailedOver(ReplicationRole role) => null;
}
