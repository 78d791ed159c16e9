namespace Colo.Actors.Arbiter;

/// <summary>
/// Yes, no or unknown; never a bool. Only <see cref="Granted"/> is a yes. After <see cref="Unknown"/> the change may or
/// may not have happened, and reading the record again tells.
/// </summary>
public abstract record ArbiterAnswer
{
    private ArbiterAnswer()
    {
    }

    /// <summary>The record that is durably in force. For a read: the record as it is.</summary>
    public sealed record Granted(ArbiterRecord Record) : ArbiterAnswer;

    /// <param name="Current">The record in force, null when there is none.</param>
    public sealed record Refused(ArbiterRecord? Current, ArbiterRefusal Reason) : ArbiterAnswer;

    public sealed record Unknown(string Reason) : ArbiterAnswer;
}
