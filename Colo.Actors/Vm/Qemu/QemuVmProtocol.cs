using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Vm.Qemu;

/// <summary>
/// The cores of a VM that QEMU runs: ownership is decided by the same controller as for the embedded machine;
/// checkpoints are QEMU's own, so one core for the pair stands in the place of those that drive checkpoints and copies
/// (docs/adr/0060).
/// </summary>
public sealed class QemuVmProtocol : VmProtocolLoop
{
    private readonly FailoverOptions options;
    private readonly DiskReplicationCore disk;
    private bool swept;

    public QemuVmProtocol(VmId vm, HostIdentity self, FailoverOptions failover, ReplicationMode mode)
        : base(new FailoverController(vm, self, failover))
    {
        options = failover;
        Pair = new QemuPairCore(vm, self, failover, mode);
        disk = new DiskReplicationCore(self);
    }

    public QemuPairCore Pair { get; }

    public override long Refused => Failover.Refused + Pair.Refused;

    protected override Epoch NewestEpoch => Pair.Epoch;

    protected override IProtocolCore Route(Message message) => message switch
    {
        JoinOffer offer when offer.Disk.SizeBytes != options.DiskSizeBytes => Pair,
        ProtectCommand when Pair.Mismatch.Length > 0 => Pair,
        TimerFired fired => Core(VmProtocol.CoreOf(fired.Name)),
        IFailoverInput => Failover,
        IDiskInput => disk,
        _ => Pair,
    };

    protected override IProtocolCore Core(CoreName name) => name switch
    {
        CoreName.Failover => Failover,
        CoreName.Disk => disk,
        CoreName.PrimaryCheckpoint or CoreName.SecondaryCheckpoint or CoreName.Resync => Pair,
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    /// <summary>
    /// A QEMU may outlive its node. When the node that starts again learns that the VM is not its own any more, what
    /// still runs here must end, although no core has started it in this life.
    /// </summary>
    protected override void Decided(EffectList effects)
    {
        bool settled = Failover.State is FailoverState.Parked or FailoverState.Off;
        if (settled && !swept)
        {
            effects.Add(new Effect.DiscardGuest("the VM is not this host's to run"));
        }

        swept |= settled || Failover.State is not (FailoverState.Starting or FailoverState.ColdStarting);
    }
}
