using Colo.Host.Node;

namespace Colo.Host.Faults;

/// <summary>The drills that were reported to this node, kept over restarts. Any thread.</summary>
public sealed class DrillJournal(string stateDirectory)
{
    private const int Kept = 100;

    private readonly Lock gate = new();
    private readonly JournalFile<DrillReport> file = new(stateDirectory, "drills.jsonl", Kept);

    /// <summary>Newest first.</summary>
    public IReadOnlyList<DrillReport> Reports
    {
        get
        {
            lock (gate)
            {
                return [.. file.Records.Reverse()];
            }
        }
    }

    public void Add(DrillReport report)
    {
        lock (gate)
        {
            file.Add(report);
        }
    }
}
