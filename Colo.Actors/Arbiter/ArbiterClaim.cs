namespace Colo.Actors.Arbiter;

/// <summary>By what right a host asks for a new term.</summary>
public enum ArbiterClaim
{
    /// <summary>The asker is a member of the present in-sync set, in its present life.</summary>
    InSync = 1,

    /// <summary>All memory is lost; the asker's host has the current disk and boots the guest from it.</summary>
    ColdStart = 2,

    /// <summary>An operator decided, and accepted that newer data elsewhere is lost. With arbiter "none" also: both
    /// hosts agreed that the guest has ended.</summary>
    OperatorForced = 3,
}
