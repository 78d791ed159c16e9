namespace Colo.Host.Demo;

/// <summary>Small requests of one kind.</summary>
public sealed record RequestFigures(double PerSecond, double MedianMs, double P99Ms);

/// <summary>What clients got from a guest kept in one way.</summary>
/// <param name="Name">unprotected, colo, periodic-25 or periodic-100.</param>
/// <param name="Http">One request after another, each on a connection of its own.</param>
/// <param name="Redis">INCR, one after another on one connection.</param>
/// <param name="RedisMany">INCR on eight connections at once.</param>
/// <param name="BulkMegabytesPerSecond">One TCP download.</param>
/// <param name="CheckpointsPerSecond">While they ran.</param>
/// <param name="PauseMedianMs">Pause of the guest at a checkpoint.</param>
/// <param name="RedisGuestsMicroseconds">Processor time of the guests for a redis request on one connection, over both
/// hosts.</param>
/// <param name="RedisHostsMicroseconds">The same of everything else in the two nodes' processes.</param>
public sealed record ModeFigures(
    string Name, RequestFigures Http, RequestFigures Redis, RequestFigures RedisMany, double BulkMegabytesPerSecond,
    double CheckpointsPerSecond, double PauseMedianMs, double RedisGuestsMicroseconds, double RedisHostsMicroseconds);

/// <summary>Shares of the rates of the same guest unprotected and alone at work: medians of rounds in which both were
/// measured, one right after the other.</summary>
public sealed record SpeedShares(double Http, double Redis, double RedisMany, double Bulk);

/// <summary>Longest time in which a download stood around one fault of the primary.</summary>
public sealed record GapFigures(string Fault, int Count, double MedianMs, double WorstMs, IReadOnlyList<double> GapsMs);

/// <summary>The result of <c>colo bench ha</c>.</summary>
/// <param name="Modes">Each mode's own figures.</param>
/// <param name="OfUnprotected">Mode colo.</param>
/// <param name="SideBySide">Each of two unprotected guests that work at the same time, as a share of one that works
/// alone: what a machine with both hosts on it leaves of two guests.</param>
/// <param name="RedisAgainstPeriodic100">Mode colo.</param>
/// <param name="Gaps">By fault.</param>
public sealed record HaBenchReport(
    IReadOnlyList<ModeFigures> Modes, SpeedShares? OfUnprotected, SpeedShares? SideBySide, double RedisAgainstPeriodic100,
    IReadOnlyList<GapFigures> Gaps);
