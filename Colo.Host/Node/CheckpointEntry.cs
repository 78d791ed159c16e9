namespace Colo.Host.Node;

/// <summary>One checkpoint that this host took, every phase timed. Milliseconds; null: not known, or not yet.</summary>
/// <param name="Reason">What asked for it: Period, Mismatch, Join, Operator, ...</param>
/// <param name="RequestMs">Until the secondary's guest stood.</param>
/// <param name="CaptureMs">How long the primary's guest stood: the pause.</param>
/// <param name="StreamMs">From the capture to the last byte handed to the link.</param>
/// <param name="CommitMs">From then until the secondary had everything, verified.</param>
/// <param name="LoadMs">From then until the secondary ran from it.</param>
/// <param name="Outcome">running, committed, loaded, or aborted.</param>
public sealed record CheckpointEntry(
    long Epoch, long Term, string Reason, DateTimeOffset Began, double? RequestMs, double? CaptureMs, double? StreamMs,
    double? CommitMs,
    double? LoadMs, long? Pages, long? Bytes, string Outcome)
{
    public static IReadOnlyList<string> Phases { get; } = ["request", "capture", "stream", "commit", "load"];

    public double? PhaseMs(string phase) => phase switch
    {
        "request" => RequestMs,
        "capture" => CaptureMs,
        "stream" => StreamMs,
        "commit" => CommitMs,
        _ => LoadMs,
    };
}
