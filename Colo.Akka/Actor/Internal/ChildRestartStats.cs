namespace Akka.Actor.Internal;

/// <summary>A child in its parent's table: a name only, or a child.</summary>
public interface IChildStats;

/// <summary>A name that is taken before its actor exists.</summary>
public sealed class ChildNameReserved : IChildStats
{
    private ChildNameReserved()
    {
    }

    public static ChildNameReserved Instance { get; } = new();
}

/// <summary>A child and how often it was restarted in the current window.</summary>
public class ChildRestartStats : IChildStats
{
    private readonly Func<TimeSpan> _clock;
    private TimeSpan? _windowStart;

    public ChildRestartStats(IInternalActorRef child)
        : this(child, static () => TimeSpan.FromMilliseconds(Environment.TickCount64))
    {
    }

    internal ChildRestartStats(IInternalActorRef child, Func<TimeSpan> clock)
    {
        Child = child;
        _clock = clock;
    }

    public IInternalActorRef Child { get; }

    public long Uid => Child.Path.Uid;

    public int MaxNrOfRetriesCount { get; private set; }

    /// <summary>
    /// Counts this failure and says whether the child may be restarted once more. Negative limits mean none.
    /// </summary>
    public bool RequestRestartPermission(int maxNrOfRetries, int withinTimeMilliseconds)
    {
        if (maxNrOfRetries == 0)
        {
            return false;
        }

        if (withinTimeMilliseconds <= 0)
        {
            return maxNrOfRetries < 0 || ++MaxNrOfRetriesCount <= maxNrOfRetries;
        }

        return RetriesInWindowOkay(maxNrOfRetries > 0 ? maxNrOfRetries : 1, withinTimeMilliseconds);
    }

    private bool RetriesInWindowOkay(int retries, int window)
    {
        var now = _clock();
        _windowStart ??= now;
        if ((now - _windowStart.Value).TotalMilliseconds <= window)
        {
            return ++MaxNrOfRetriesCount <= retries;
        }

        // The window is over: this failure opens the next one.
        MaxNrOfRetriesCount = 1;
        _windowStart = now;
        return true;
    }
}
