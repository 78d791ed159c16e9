using Colo.Actors.Network;
using Colo.Actors.Protocol;
using Colo.Vmm.Net;

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

    /// <summary>What the guest's comparers decide; null where others compare, or nobody does. Any thread.</summary>
    PacketTap? Tap => null;

    /// <summary>Where the guest's connections stand, those used last first, at most so many of each card. Any
    /// thread.</summary>
    IReadOnlyList<ConnectionPosition> Positions(int most) => [];

    /// <summary>
    /// Compares the replicated disks of a pair while its guest runs; null where this backend cannot. Any thread, one
    /// call at a time.
    /// </summary>
    /// <param name="progress">Told of bytes done and of all.</param>
    /// <param name="cancellation">Ends it early.</param>
    Task<DiskVerifyReport>? VerifyDisks(Action<long, long> progress, CancellationToken cancellation) => null;

    /// <summary>Counters and gauges for status, metrics and the page. Cheap; any thread.</summary>
    VmGauges Inspect();
}
