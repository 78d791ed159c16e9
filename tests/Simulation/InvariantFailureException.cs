namespace Colo.Simulation;

/// <summary>An invariant of the reliability page does not hold. Ends the run.</summary>
public sealed class InvariantFailureException(string id, string what) : Exception($"{id}: {what}")
{
    public string Id { get; } = id;

    public string What { get; } = what;
}
