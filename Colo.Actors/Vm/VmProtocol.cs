using Colo.Actors.Checkpoint;
using Colo.Actors.Checkpoint.Primary;
using Colo.Actors.Checkpoint.Secondary;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Vm;

/// <summary>The cores of a VM on the embedded machine, whose checkpoints Colo drives itself.</summary>
public sealed class VmProtocol : VmProtocolLoop
{
    public VmProtocol(
        VmId vm, HostIdentity self, FailoverOptions failover, CheckpointOptions checkpoint, ResyncOptions resync)
        : base(new FailoverController(vm, self, failover))
    {
        Primary = new PrimaryCheckpointCore(self, checkpoint);
        Secondary = new SecondaryCheckpointCore(self);
        Disk = new DiskReplicationCore(self);
        Resync = new ResyncWorkerCore(resync);
    }

    public PrimaryCheckpointCore Primary { get; }

    public SecondaryCheckpointCore Secondary { get; }

    public DiskReplicationCore Disk { get; }

    public ResyncWorkerCore Resync { get; }

    public override long Refused => Failover.Refused + Primary.Refused + Secondary.Refused;

    protected override Epoch NewestEpoch => Epoch.Max(Primary.Epoch, Secondary.Committed);

    public static CoreName CoreOf(Message message) => message switch
    {
        TimerFired fired => CoreOf(fired.Name),
        IFailoverInput => CoreName.Failover,
        IPrimaryCheckpointInput => CoreName.PrimaryCheckpoint,
        ISecondaryCheckpointInput => CoreName.SecondaryCheckpoint,
        IDiskInput => CoreName.Disk,
        IResyncInput => CoreName.Resync,
        _ => throw new ArgumentException($"{message.GetType().Name} belongs to no core of a VM", nameof(message)),
    };

    public static CoreName CoreOf(TimerName timer) => timer switch
    {
        TimerName.ArbiterRetry or TimerName.JoinOffer or TimerName.PeerStep or TimerName.IsolationHandicap
            or TimerName.JoinChoice or TimerName.MachineRetry => CoreName.Failover,
        TimerName.Period or TimerName.Floor or TimerName.Phase or TimerName.AutoReturn => CoreName.PrimaryCheckpoint,
        TimerName.ResyncStall => CoreName.Resync,
        TimerName.Heartbeat => throw new ArgumentException("the heartbeat belongs to the node, not to a VM", nameof(timer)),
        _ => throw new ArgumentException($"{timer} belongs to no core of a VM", nameof(timer)),
    };

    protected override IProtocolCore Route(Message message) => Core(CoreOf(message));

    protected override IProtocolCore Core(CoreName name) => name switch
    {
        CoreName.Failover => Failover,
        CoreName.PrimaryCheckpoint => Primary,
        CoreName.SecondaryCheckpoint => Secondary,
        CoreName.Disk => Disk,
        CoreName.Resync => Resync,
        _ => throw new System.Diagnostics.UnreachableException(),
    };
}
