using System.Text.Json;

namespace Colo.Host.Faults;

/// <summary>The drills that were reported to this node, kept over restarts: one JSON object a line in the state
/// directory. Any thread.</summary>
public sealed class DrillJournal
{
    private const int Kept = 100;

    private readonly Lock gate = new();
    private readonly string path;
    private readonly List<DrillReport> reports = [];

    public DrillJournal(string stateDirectory)
    {
        Directory.CreateDirectory(stateDirectory);
        path = Path.Combine(stateDirectory, "drills.jsonl");
        Load();
    }

    /// <summary>Newest first.</summary>
    public IReadOnlyList<DrillReport> Reports
    {
        get
        {
            lock (gate)
            {
                return [.. Enumerable.Reverse(reports)];
            }
        }
    }

    public void Add(DrillReport report)
    {
        lock (gate)
        {
            reports.Add(report);
            if (reports.Count > Kept)
            {
                reports.RemoveAt(0);
            }

            File.WriteAllLines(path, reports.Select(one => JsonSerializer.Serialize(one)));
        }
    }

    private void Load()
    {
        foreach (string line in File.Exists(path) ? File.ReadAllLines(path) : [])
        {
            try
            {
                if (JsonSerializer.Deserialize<DrillReport>(line) is { } report)
                {
                    reports.Add(report);
                }
            }
            catch (JsonException)
            {
                // A line that a crash cut short.
            }
        }
    }
}
