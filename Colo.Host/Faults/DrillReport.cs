namespace Colo.Host.Faults;

/// <summary>What a drill was, and how it ended. Milliseconds; null: not measured or not reached.</summary>
/// <param name="Kill">process, link or pause.</param>
/// <param name="Victim">The host that suffered the fault.</param>
/// <param name="Survivor">The host whose report this is made of.</param>
/// <param name="DetectMs">How old the victim's last heartbeat was when the loss was noticed.</param>
/// <param name="TermMs">From there until the arbiter had granted the term.</param>
/// <param name="TakeoverMs">From there until answers left again.</param>
/// <param name="ProtectedMs">From there until the pair was in force again.</param>
/// <param name="Load">What was asked, or why nothing was.</param>
/// <param name="GapMs">The longest time between two answers that the client got.</param>
/// <param name="Outcome">passed, over the limit, not protected again, or failed.</param>
/// <param name="Text">The outcome in a sentence.</param>
public sealed record DrillReport(
    string Vm, string Kill, string Victim, string Survivor, DateTimeOffset At, double? DetectMs, double? TermMs,
    double? TakeoverMs, double? ProtectedMs, string Load, long Answers, double? GapMs, string Outcome, string Text)
{
    /// <summary>SPECIFICATION.md: a silent host is found lost in under this.</summary>
    public const double DetectMaxMs = 500;

    /// <summary>SPECIFICATION.md: gap after a cut cable. What it promises for SIGKILL is a median, which says nothing
    /// of one drill; a kill is noticed no later than a silent cable, so this bounds it too.</summary>
    public const double GapMaxMs = 1000;

    /// <summary>Judges the figures by the limits; a drill that was not over in time is not judged here.</summary>
    public DrillReport Judged()
    {
        var over = new List<string>();
        if (DetectMs > DetectMaxMs)
        {
            over.Add($"detection {DetectMs:0} ms, at most {DetectMaxMs:0}");
        }

        if (GapMs > GapMaxMs)
        {
            over.Add($"gap for the client {GapMs:0} ms, at most {GapMaxMs:0}");
        }

        return over.Count == 0
            ? this with { Outcome = "passed", Text = "protected again, within the limits" }
            : this with { Outcome = "over the limit", Text = "protected again, but " + string.Join("; ", over) };
    }

    /// <summary>Phases one after another, as far as they are known.</summary>
    public IEnumerable<(string Phase, double Ms)> Phases()
    {
        double before = 0;
        foreach ((string phase, double? at) in (IEnumerable<(string, double?)>)
            [("detect", DetectMs), ("term", TermMs), ("takeover", TakeoverMs), ("re-protected", ProtectedMs)])
        {
            if (at is { } ms)
            {
                yield return (phase, phase == "detect" ? ms : Math.Max(0, ms - before));
                before = phase == "detect" ? 0 : ms;
            }
        }
    }
}
