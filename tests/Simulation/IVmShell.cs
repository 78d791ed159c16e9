using Colo.Actors.Protocol;

namespace Colo.Simulation;

/// <summary>What drives the cores of a VM in place of the simulation's own loop: the actors, where the engine can be
/// simulated.</summary>
public interface IVmShell
{
    void Tell(Message message);

    /// <summary>The process is gone; nothing of it happens any more.</summary>
    void End();
}
