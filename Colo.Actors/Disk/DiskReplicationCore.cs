using Colo.Actors.Checkpoint;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Disk;

/// <summary>
/// What the disks do in each role, and when their trouble becomes the pair's trouble. A lost disk link means a lost
/// peer; a buffer that fills up asks for a checkpoint, which empties it; a local disk error on a primary moves the VM
/// to the other host.
/// <code>
/// Idle -> Secondary -> Solo -> Primary -> Solo ...
/// </code>
/// Promises S14: at the high mark a checkpoint is asked for, at the bound the peer is given up; nothing grows without
/// end.
/// </summary>
public sealed class DiskReplicationCore : IProtocolCore
{
    /// <summary>Percent of the buffer at which a checkpoint is asked for: half, so that the rest lasts while it
    /// runs.</summary>
    public const int HighMarkPercent = 50;

    private readonly HostIdentity _self;
    private readonly TransitionTable<DiskRole> _table;
    private DiskRole _role = DiskRole.Idle;
    private HostIdentity? _peer;
    private Term _term;

    public DiskReplicationCore(HostIdentity self)
    {
        _self = self;
        DiskRole[] all = Enum.GetValues<DiskRole>();
        _table = new TransitionTable<DiskRole>(typeof(IDiskInput))
            .On<DiskRoleChanged>(OnRole, all)
            .On<DiskLinkLost>(OnLinkLost, DiskRole.Primary, DiskRole.Secondary)
            .On<DiskBufferLevel>(OnLevel, DiskRole.Primary, DiskRole.Secondary)
            .On<LocalDiskError>(OnError, DiskRole.Primary, DiskRole.Secondary, DiskRole.Solo)
            .IgnoreElsewhere<DiskLinkLost>("no replication in this role")
            .IgnoreElsewhere<DiskBufferLevel>("no buffer in this role")
            .IgnoreElsewhere<LocalDiskError>("nothing uses the disk");
    }

    public DiskRole Role => _role;

    public string StateName => _role.ToString();

    public TransitionTable<DiskRole> Table => _table;

    public void Decide(Instant now, Message message, EffectList effects) => _table.Dispatch(_role, now, message, effects);

    private void OnRole(Instant now, DiskRoleChanged changed, EffectList effects)
    {
        (_role, _peer, _term) = (changed.Role, changed.Peer, changed.Term);
        effects.Add(_role switch
        {
            DiskRole.Solo => new Effect.RecordDiskWrites(_term),
            DiskRole.Primary => new Effect.ForwardDiskWrites(_peer!.Value.Host, _term),
            DiskRole.Secondary => new Effect.ReceiveDiskWrites(_peer!.Value.Host, _term),
            DiskRole.Idle => new Effect.IdleDisk(),
            _ => throw new System.Diagnostics.UnreachableException(),
        });
    }

    private void OnLinkLost(Instant now, DiskLinkLost lost, EffectList effects)
    {
        if (lost.Peer != _peer)
        {
            return;
        }

        effects.Add(new Effect.Emit(new HostEvent(EventCode.DiskLinkLost, _term, Epoch.Zero, $"to {lost.Peer}")));
        effects.Add(new Effect.Tell(CoreName.Failover, new ReplicationLinkLost(lost.Peer, ReplicationChannel.Disk)));
    }

    private void OnLevel(Instant now, DiskBufferLevel level, EffectList effects)
    {
        if (level.Percent >= 100)
        {
            // The bound: no checkpoint came in time. One side alone is better than a buffer that lies.
            effects.Add(new Effect.Tell(CoreName.Failover, _role == DiskRole.Primary
                ? new CheckpointStalled(_peer!.Value, "disk queue full")
                : new SecondaryFailed("disk buffer full")));
        }
        else if (level.Percent >= HighMarkPercent)
        {
            effects.Add(new Effect.Emit(new HostEvent(EventCode.DiskBufferHigh, _term, Epoch.Zero, $"{level.Percent} %")));
            effects.Add(_role == DiskRole.Primary
                ? new Effect.Tell(CoreName.PrimaryCheckpoint, new CheckpointTrigger(CheckpointReason.DiskBufferFull))
                : new Effect.Send(_peer!.Value.Host, new CheckpointWanted(_self, _term, CheckpointReason.DiskBufferFull)));
        }
    }

    private void OnError(Instant now, LocalDiskError error, EffectList effects)
    {
        effects.Add(new Effect.Emit(new HostEvent(EventCode.LocalDiskError, _term, Epoch.Zero, error.IsWrite ? "write" : "read")));
        switch (_role)
        {
            case DiskRole.Primary:
                effects.Add(new Effect.Tell(CoreName.Failover, new MachineFailed("the local disk fails")));
                break;
            case DiskRole.Secondary:
                effects.Add(new Effect.Tell(CoreName.Failover, new SecondaryFailed("the local disk fails")));
                break;
            case DiskRole.Solo or DiskRole.Idle:
                break; // the guest has seen the error; there is nobody to hand over to
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }
}
