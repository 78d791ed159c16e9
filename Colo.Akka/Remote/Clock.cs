namespace Akka.Remote;

/// <summary>Reads a monotonic time in milliseconds. Only differences carry meaning.</summary>
public delegate long Clock();
