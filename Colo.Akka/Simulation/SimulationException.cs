using Akka.Actor;

namespace Akka.Simulation;

/// <summary>A run has failed, or code in it did what cannot be repeated.</summary>
public sealed class SimulationException : AkkaException
{
    public SimulationException(string message = null, Exception cause = null)
        : base(message, cause)
    {
    }
}
