namespace Colo.Actors.Arbiter;

/// <summary>Why the arbiter certainly did not do what was asked.</summary>
public enum ArbiterRefusal
{
    /// <summary>There is no record of this VM.</summary>
    NoRecord = 1,

    /// <summary>Somebody else has won the term.</summary>
    TermMoved = 2,

    /// <summary>The asker is not in the in-sync set, or not in this life.</summary>
    NotInSync = 3,

    /// <summary>The proposed record does not follow from the present one by any rule.</summary>
    NotAllowed = 4,

    /// <summary>There is no arbiter and the operator has not confirmed.</summary>
    OperatorNeeded = 5,
}
