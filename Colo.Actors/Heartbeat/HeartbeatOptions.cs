namespace Colo.Actors.Heartbeat;

/// <summary>
/// Times of failure detection. With the defaults a silent host is lost after 0.4 s, found by the next tick at 0.45 s at
/// the latest; a pause of its process of 0.3 s (a collection on a loaded machine) is no loss.
/// </summary>
public sealed record HeartbeatOptions
{
    /// <summary>Time between two heartbeats on each link. Default 50 ms.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// Suspicion (phi) at which a link counts as silent: 8 is one false alarm in 10^8 intervals if delays are normal. 1
    /// to 12.
    /// </summary>
    public int PhiThreshold { get; init; } = 8;

    /// <summary>
    /// Added to what the distribution allows: scheduling and collection pauses of the peer. Default 300 ms.
    /// </summary>
    public TimeSpan AcceptablePause { get; init; } = TimeSpan.FromMilliseconds(300);

    /// <summary>Deviation is not believed below this. Default 10 ms.</summary>
    public TimeSpan DeviationMin { get; init; } = TimeSpan.FromMilliseconds(10);

    /// <summary>
    /// However the link behaves, silence of this length is a loss, found by the next tick. Default 400 ms.
    /// </summary>
    public TimeSpan LostAtMost { get; init; } = TimeSpan.FromMilliseconds(400);

    /// <summary>
    /// This process's own tick came later than this: it was stalled itself and accuses nobody for that time. Default
    /// 100 ms.
    /// </summary>
    public TimeSpan StallThreshold { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>For this long after a stall every deadline is longer by the stall's length. Default 2 s.</summary>
    public TimeSpan StallMemory { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// No answer of the gateway for so long counts as unreachable; zero switches the check off. Default 1 s.
    /// </summary>
    public TimeSpan GatewayTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>What is known of a peer is told again this often. Default 1 s.</summary>
    public TimeSpan RepeatAfter { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>All violated relations, empty when the options make sense.</summary>
    public IReadOnlyList<string> Validate()
    {
        List<string> errors = [];
        Check(Interval > TimeSpan.Zero, $"Interval {Interval} must be positive");
        Check(PhiThreshold is >= 1 and <= 12, $"PhiThreshold {PhiThreshold} must be 1 to 12");
        Check(AcceptablePause >= TimeSpan.Zero, $"AcceptablePause {AcceptablePause} must not be negative");
        Check(DeviationMin > TimeSpan.Zero, $"DeviationMin {DeviationMin} must be positive");
        Check(LostAtMost > 3 * Interval, $"LostAtMost {LostAtMost} must exceed 3 x Interval {Interval}");
        Check(LostAtMost > AcceptablePause, $"LostAtMost {LostAtMost} must exceed AcceptablePause {AcceptablePause}");
        Check(StallThreshold > TimeSpan.Zero, $"StallThreshold {StallThreshold} must be positive");
        Check(StallMemory >= TimeSpan.Zero, $"StallMemory {StallMemory} must not be negative");
        Check(GatewayTimeout >= TimeSpan.Zero, $"GatewayTimeout {GatewayTimeout} must not be negative");
        Check(RepeatAfter > Interval, $"RepeatAfter {RepeatAfter} must exceed Interval {Interval}");
        return errors;

        void Check(bool holds, string text)
        {
            if (!holds)
            {
                errors.Add(text);
            }
        }
    }
}
