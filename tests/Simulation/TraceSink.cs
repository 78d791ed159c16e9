namespace Colo.Simulation;

/// <summary>A rolling hash over everything that happens (S16), and, on replay, the story: one line per state
/// change.</summary>
public sealed class TraceSink(bool keepStory)
{
    private const int KeptLines = 200_000;

    private ulong _hash = 14695981039346656037UL;
    private readonly List<string> _story = [];

    public ulong Hash => _hash;

    public IReadOnlyList<string> Story => _story;

    public void Mix(long value)
    {
        unchecked
        {
            _hash = (_hash ^ (ulong)value) * 1099511628211UL;
            _hash ^= _hash >> 29;
        }
    }

    public void Mix(string text)
    {
        foreach (char c in text)
        {
            Mix(c);
        }
    }

    /// <summary>Fixed columns: time, host, role, term, epoch, held frames, what happened.</summary>
    public void Line(long micros, string host, string state, string term, string epoch, int held, string what)
    {
        Mix(micros);
        Mix(host);
        Mix(what);
        if (keepStory && _story.Count < KeptLines)
        {
            _story.Add(string.Create(System.Globalization.CultureInfo.InvariantCulture,
                $"{micros / 1000,7}.{micros % 1000:000} {host,-8} {state,-16} {term,-6} {epoch,-10} {held,3}  {what}"));
        }
    }
}
