namespace Colo.Actors.Checkpoint;

/// <summary>How the secondary is kept in step.</summary>
public enum ReplicationMode
{
    /// <summary>Compare answers; checkpoint when they differ.</summary>
    Colo = 1,

    /// <summary>Checkpoint each period; every answer waits for one.</summary>
    Periodic = 2,

    /// <summary>Colo while answers agree, periodic while checkpoints keep coming, and back.</summary>
    Auto = 3,
}
