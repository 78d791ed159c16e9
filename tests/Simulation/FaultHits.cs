namespace Colo.Simulation;

/// <summary>What faults have really done, as a fault that found nothing to break proves nothing.</summary>
public sealed class FaultHits
{
    private readonly SortedDictionary<string, int> _times = new(StringComparer.Ordinal);

    /// <summary>How often, by what was done.</summary>
    public IReadOnlyDictionary<string, int> Times => _times;

    public void Add(string what, int times = 1) => _times[what] = _times.GetValueOrDefault(what) + times;

    /// <summary>Counts each kind of hit of one world once.</summary>
    public void AddWorld(FaultHits world)
    {
        foreach (string what in world._times.Keys)
        {
            Add(what);
        }
    }
}
