namespace Akka.Simulation;

/// <summary>Everything that happened, as a hash; with an output also as text, one line for each step.</summary>
public sealed class SimulationTrace
{
    private readonly TextWriter _story;

    internal SimulationTrace(TextWriter story) => _story = story;

    /// <summary>Equal for two runs that did the same in the same order at the same times.</summary>
    public ulong Hash { get; private set; } = 14695981039346656037UL;

    public long Steps { get; private set; }

    internal bool TellsStory => _story is not null;

    internal static ulong Mix(ulong hash, string text)
    {
        foreach (var c in text)
        {
            hash = Mix(hash, c);
        }

        return hash;
    }

    internal void Add(TimeSpan now, string place, string what)
    {
        Steps++;
        Hash = Mix(Mix(Mix(Hash, (ulong)now.Ticks), place), what);
        Tell(now, place, what);
    }

    /// <summary>Only for the reader: texts of logs may name what no two runs have in common.</summary>
    internal void Tell(TimeSpan now, string place, string what) => _story?.WriteLine(string.Create(
        System.Globalization.CultureInfo.InvariantCulture, $"{now.TotalMilliseconds,12:0.000} {place,-10} {what}"));

    private static ulong Mix(ulong hash, ulong value)
    {
        unchecked
        {
            hash = (hash ^ value) * 1099511628211UL;
            return hash ^ (hash >> 29);
        }
    }
}
