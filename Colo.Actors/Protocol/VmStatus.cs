namespace Colo.Actors.Protocol;

/// <summary>What this host is for the VM.</summary>
public enum VmRole
{
    None = 1,
    Primary = 2,
    Secondary = 3,
    Solo = 4,
    Joining = 5,
}

/// <summary>What would happen if a host died now. Never better than the truth (S15).</summary>
public enum ProtectionState
{
    /// <summary>The guest does not run here and this host cannot take it over.</summary>
    Parked = 1,

    /// <summary>One copy.</summary>
    Unprotected = 2,

    /// <summary>One complete copy; a second is being made.</summary>
    Protecting = 3,

    /// <summary>The arbiter's set has two members and both have a complete state.</summary>
    Protected = 4,

    /// <summary>The peer is lost and the arbiter has not said yes: answers are held.</summary>
    Holding = 5,

    /// <summary>The guest has ended.</summary>
    Off = 6,
}

/// <summary>The state line that operators see, from one host's point of view.</summary>
public sealed record VmStatus(
    VmRole Role, ProtectionState Protection, Term Term, Epoch Epoch, HostIdentity? Peer, string State, string WaitsFor);
