using System.Globalization;

namespace Akka.Simulation;

/// <summary>The outcome of one seed.</summary>
/// <param name="Hash">Of the trace; the same seed gives the same one.</param>
/// <param name="Failure">Null when the scenario ended well.</param>
/// <param name="ReplayCommand">Runs this seed again.</param>
public sealed record SimulationResult(
    ulong Seed, ulong Hash, long Steps, TimeSpan Time, Exception Failure, string ReplayCommand)
{
    public bool Passed => Failure is null;

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"seed {Seed}: {(Passed ? "well" : "FAILED")} after {Steps} steps and {Time.TotalSeconds:0.000} s, trace {Hash:x16}")
        + (Passed ? "" : $"\n  {Failure.GetType().Name}: {Failure.Message}\n  replay: {ReplayCommand}");
}
