namespace Colo.Host.Node;

/// <summary>
/// One change of owner, as this host saw it. Times in milliseconds from the moment at which the loss was noticed; null:
/// not reached.
/// </summary>
/// <param name="Id">Number on this host, from 1, kept over restarts of the node.</param>
/// <param name="Kind">takeover (the secondary goes on), solo (the primary goes on alone) or switchover
/// (planned).</param>
/// <param name="Cause">What was noticed, in words.</param>
/// <param name="CauseCode">Code of the event that began it.</param>
/// <param name="SilentMs">How old the lost host's last heartbeat was at that moment; null for a switchover.</param>
/// <param name="TermMs">Until the arbiter had granted the term.</param>
/// <param name="RunningMs">Until the guest's answers left again: takeover, solo or exchange done.</param>
/// <param name="RefilledMs">Until a new secondary's disk and memory were nearly equal.</param>
/// <param name="ProtectedMs">Until the pair was in force again.</param>
/// <param name="Outcome">running, done, refused (another host has won), or cancelled.</param>
public sealed record FailoverReport(
    long Id, string Vm, string Host, string Kind, string Cause, int CauseCode, DateTimeOffset At, long Term,
    string? LostHost,
    double? SilentMs, double? TermMs, double? RunningMs, double? RefilledMs, double? ProtectedMs, string Outcome)
{
    /// <summary>The spans one after another, for a bar chart: name and milliseconds.</summary>
    public IEnumerable<(string Phase, double Ms)> Spans()
    {
        if (SilentMs is { } silent)
        {
            yield return ("detection", silent);
        }

        double reached = 0;
        foreach (
            (string phase, double? at) in (
            IEnumerable<(string, double?)>)[("term", TermMs), ("takeover", RunningMs), ("refill", RefilledMs),
            ("protection", ProtectedMs)])
        {
            if (at is { } ms)
            {
                yield return (phase, Math.Max(0, ms - reached));
                reached = Math.Max(reached, ms);
            }
        }
    }
}
