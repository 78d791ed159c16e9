using Colo.Actors.Protocol;

namespace Colo.Actors.Vm;

/// <summary>Sees what an operator and the heartbeats may see. Called on actor threads; must return at once.</summary>
public interface IVmObserver
{
    void StatusChanged(VmId vm, VmStatus status);

    void Happened(VmId vm, HostEvent happened);

    void Glanced(VmId vm, VmGlance glance);
}
