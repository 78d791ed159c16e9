namespace Colo.Actors.Protocol;

/// <summary>
/// The program is wrong, not the world. Never caught by an actor: the host gives the VM up in favour of the peer (event
/// 9001).
/// </summary>
public sealed class InvariantViolationException : Exception
{
    public InvariantViolationException()
        : this("S0", "unspecified")
    {
    }

    public InvariantViolationException(string message)
        : this("S0", message)
    {
    }

    public InvariantViolationException(string message, Exception inner)
        : base(message, inner) => Id = "S0";

    public InvariantViolationException(string id, string what)
        : base($"{id}: {what}") => Id = id;

    /// <summary>The invariant's id, for example <c>S6</c>.</summary>
    public string Id { get; }
}
