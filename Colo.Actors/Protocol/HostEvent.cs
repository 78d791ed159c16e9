namespace Colo.Actors.Protocol;

/// <summary>How bad it is.</summary>
public enum EventSeverity
{
    Info = 1,
    Warning = 2,
    Error = 3,
}

/// <summary>
/// Something that happened, for log, event stream and traces. The driver adds time, host and VM.
/// <paramref name="Summary"/> is one sentence.
/// </summary>
public sealed record HostEvent(EventCode Code, Term Term, Epoch Epoch, string Summary)
{
    public EventSeverity Severity => EventCodes.SeverityOf(Code);
}
