namespace Colo.Host.Demo;

/// <summary>The cables of a host in a <see cref="NetworkLab"/>.</summary>
[Flags]
public enum Cable
{
    None = 0,

    /// <summary>To the clients.</summary>
    Lan = 1,

    /// <summary>To the witness and the other nodes.</summary>
    Management = 2,

    /// <summary>The direct one to the partner.</summary>
    Replication = 4,

    All = Lan | Management | Replication,
}
