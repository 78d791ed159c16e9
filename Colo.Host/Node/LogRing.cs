namespace Colo.Host.Node;

/// <summary>The last lines of the node's log, for whoever asks over HTTP. Any thread.</summary>
public sealed class LogRing
{
    private const int Kept = 2_000;
    private readonly Lock gate = new();
    private readonly Queue<string> lines = new();

    public void Add(string line)
    {
        lock (gate)
        {
            lines.Enqueue(line);
            if (lines.Count > Kept)
            {
                lines.Dequeue();
            }
        }
    }

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<string> Last(int count)
    {
        lock (gate)
        {
            return [.. lines.TakeLast(count)];
        }
    }
}
