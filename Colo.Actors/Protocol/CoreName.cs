namespace Colo.Actors.Protocol;

/// <summary>The cores of one VM on one host; the address of <see cref="Effect.Tell"/>.</summary>
public enum CoreName
{
    Failover = 1,
    PrimaryCheckpoint = 2,
    SecondaryCheckpoint = 3,
    Disk = 4,
    Resync = 5,
}
