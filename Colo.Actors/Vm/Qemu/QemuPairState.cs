namespace Colo.Actors.Vm.Qemu;

/// <summary>Where a host stands in making or being half of a pair of QEMUs.</summary>
public enum QemuPairState
{
    /// <summary>No session.</summary>
    Idle = 1,

    /// <summary>Owner: the joiner's QEMU is being started.</summary>
    AwaitingTarget,

    /// <summary>Owner: the disks are being copied.</summary>
    Copying,

    /// <summary>Owner: the disks are in step but for the last round.</summary>
    Copied,

    /// <summary>Owner: the first state is on its way.</summary>
    Starting,

    /// <summary>Owner: QEMU takes checkpoints.</summary>
    Replicating,

    /// <summary>Joiner: its QEMU is being started.</summary>
    Preparing,

    /// <summary>Joiner: its QEMU waits for the first state.</summary>
    Waiting,

    /// <summary>The replica runs.</summary>
    Replica,
}
