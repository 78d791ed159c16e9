using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Simulation;

/// <summary>
/// The disk of one VM as its guest on one host sees it: where a read and a write go, what is forwarded, the merge of a
/// survivor's buffer and the copy to a joiner. The production counterparts are the disk's replicator and buffer.
/// </summary>
public sealed class SimStorage(SimVm vm, SimWorld world)
{
    private bool _forwarding;

    /// <summary>The guest is a secondary's: what it writes goes to the buffer.</summary>
    public bool IsReplica { get; private set; }

    public void Write(int sector, ulong value)
    {
        world.Oracle.OnGuestWrite(vm, sector, value);
        if (IsReplica)
        {
            vm.Disk.WriteSpeculative(sector, value);
            return;
        }

        vm.Disk.Write(sector, value);
        if (_forwarding && vm.Connection is { } connection)
        {
            long tag = vm.Tag;
            connection.Send(vm.Place, ReplicationChannel.Disk, peer => peer.Disk.ApplyForwarded(sector, value, tag));
        }
    }

    public ulong Read(int sector)
    {
        ulong value = IsReplica ? vm.Disk.ReadSpeculative(sector, vm.Tag) : vm.Disk.Read(sector);
        if (world.Mutant == Mutant.ReadThrough && IsReplica)
        {
            value = vm.Disk.Read(sector);
        }

        world.Oracle.OnGuestRead(vm, sector, value);
        return value;
    }

    public void Connected(bool asPrimary) => IsReplica |= !asPrimary;

    public void Disconnected() => _forwarding = false;

    /// <summary>This host owns the VM, or is to boot it.</summary>
    public void Own() => IsReplica = false;

    /// <summary>False: the effect is not about the disk.</summary>
    public bool TryApply(Effect effect)
    {
        switch (effect)
        {
            case Effect.ForwardDiskWrites:
                _forwarding = true;
                return true;
            case Effect.RecordDiskWrites or Effect.ReceiveDiskWrites:
                _forwarding = false;
                return true;
            case Effect.IdleDisk:
                _forwarding = false;
                vm.Disk.DropBuffer();
                return true;
            case Effect.MergeDiskBuffer merge:
                world.Oracle.OnMergeBegins(vm, merge.Epoch.Value);
                vm.Disk.BeginMerge(merge.Epoch.Value);
                IsReplica = false;
                Merge();
                return true;
            case Effect.CopyDisk:
                Copy();
                return true;
            default:
                return false;
        }
    }

    private void Merge() => vm.After(vm.Noise.LogBetween(50, 500) + world.Network.DiskDelayOf(vm.Place), () =>
    {
        if (vm.Disk.MergeOne())
        {
            Merge();
        }
        else
        {
            world.Oracle.OnMerged(vm.Place, vm.Disk);
            vm.Deliver(new DiskMerged());
        }
    });

    private void Copy()
    {
        _forwarding = true; // what the guest writes from now on follows the copy in the same stream
        ulong[] content = vm.Disk.Snapshot();
        vm.Connection?.Send(vm.Place, ReplicationChannel.Disk, peer => peer.Storage.Overwrite(content), 5_000);
        vm.After(20_000, () => vm.Deliver(new DiskCopyDone()));
    }

    private void Overwrite(ulong[] content)
    {
        world.Oracle.OnDiskReplaced(vm.Place);
        vm.Disk.Overwrite(content);
    }
}
