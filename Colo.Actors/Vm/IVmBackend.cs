using Colo.Actors.Protocol;

namespace Colo.Actors.Vm;

/// <summary>
/// The mechanisms of one VM on this host: its machine, its way to the network, its disks, its replication links. There
/// are three: the embedded machine, a QEMU, and the model of the simulation.
/// </summary>
/// <remarks>
/// One actor calls <see cref="Execute"/>, effect after effect in the order of the decisions. A call may take as long as
/// a pause or a device snapshot takes, never as long as a network round trip; what takes longer goes on in the
/// background and reports. Trouble is reported as the message that the effect names, never thrown.
/// </remarks>
public interface IVmBackend : IAsyncDisposable
{
    /// <summary>
    /// Carries out one effect that concerns the machine, the gate, the network, the disks or the links.
    /// </summary>
    void Execute(Effect effect);

    /// <summary>
    /// Asks the guest to shut down, as its power button does; a machine without one does nothing. Any thread.
    /// </summary>
    void RequestPowerdown()
    {
    }

    /// <summary>Counters and gauges for status, metrics and the page. Cheap; any thread.</summary>
    VmGauges Inspect();
}
