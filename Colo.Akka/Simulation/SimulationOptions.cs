namespace Akka.Simulation;

/// <summary>What may happen in a simulated world, and how often. Times are virtual.</summary>
public sealed record SimulationOptions
{
    /// <summary>Each step of an actor costs up to this much, so that time passes where nobody waits for it.</summary>
    public TimeSpan StepCost { get; init; } = TimeSpan.FromTicks(100);

    /// <summary>The chance that a piece of work is held up on its way to a thread, as under load; 0 to 1.</summary>
    public double StallProbability { get; init; } = 0.005;

    /// <summary>The longest such hold-up.</summary>
    public TimeSpan StallMax { get; init; } = TimeSpan.FromMilliseconds(10);

    /// <summary>How far the clock of a node may run fast or slow, as a part of one; 0.001 is 1 ms in each
    /// second.</summary>
    public double ClockDriftMax { get; init; } = 0.0005;

    /// <summary>How far the wall clocks of nodes may lie apart.</summary>
    public TimeSpan ClockOffsetMax { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Between any two nodes that have no policy of their own.</summary>
    public NetworkPolicy Network { get; init; } = new();

    /// <summary>The wall clock at the beginning, before the offset of the node.</summary>
    public DateTimeOffset Epoch { get; init; } = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Gets one line for each step; null for none.</summary>
    public TextWriter Story { get; init; }

    /// <summary>The command that runs one seed again, with <c>{0}</c> for the seed. It is part of the text of a failed
    /// run.</summary>
    public string ReplayCommand { get; init; } = "COLO_SIMULATION_SEED={0} with the same test";
}

/// <summary>
/// How bytes travel from one node to another. The connections are TCP's: nothing is lost or overtaken within one, so a
/// lost packet is one that comes late, and a connection that is reset takes what was under way with it. What travels
/// between different pairs, or in different directions, overtakes freely.
/// </summary>
public sealed record NetworkPolicy
{
    public TimeSpan DelayMin { get; init; } = TimeSpan.FromTicks(500);

    public TimeSpan DelayMax { get; init; } = TimeSpan.FromMilliseconds(1);

    /// <summary>The chance that a packet is lost and has to be sent again; 0 to 1. Several losses in a row double the
    /// wait.</summary>
    public double LossProbability { get; init; }

    /// <summary>What the first loss costs. Linux waits 200 ms.</summary>
    public TimeSpan RetransmitAfter { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>The chance that the connection breaks with a packet; 0 to 1.</summary>
    public double ResetProbability { get; init; }
}
