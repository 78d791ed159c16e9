using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Simulation;

/// <summary>
/// The disk of one VM as its guest on one host sees it: where a read and a write go, what is forwarded, the merge of a
/// survivor's buffer and the copy to a joiner. The production counterparts are the disk's replicator and buffer.
/// </summary>
public sealed class SimStorage(SimVm vm, SimWorld world) : ISimStorage
{
    private bool _forwarding;

    /// <summary>The guest is a secondary's: what it writes goes to the buffer.</summary>
    private bool _isReplica;

    public bool HasPending => false;

    public void Write(int sector, ulong value)
    {
        world.Oracle.OnGuestWrite(vm, sector, value);
        if (_isReplica)
        {
            vm.Disk.WriteSpeculative(sector, value);
            return;
        }

        world.Oracle.OnDiskWrite(vm, sector, value);
        vm.Disk.Write(sector, value);
        if (_forwarding && vm.Connection is { } connection)
        {
            long tag = vm.Tag;
            connection.Send(vm.Place, ReplicationChannel.Disk, peer => peer.Disk.ApplyForwarded(sector, value, tag));
        }
    }

    public ulong Read(int sector)
    {
        ulong value = _isReplica ? vm.Disk.ReadSpeculative(sector, vm.Tag) : vm.Disk.Read(sector);
        if (world.Mutant == Mutant.ReadThrough && _isReplica)
        {
            value = vm.Disk.Read(sector);
        }

        world.Oracle.OnGuestRead(vm, sector, value);
        return value;
    }

    /// <summary>
    /// Of the owner alone: the local disk, after a merge that is under way, and the secondary's some time later. A
    /// secondary's own writes count only when its takeover has merged them, durably.
    /// </summary>
    public void Flush()
    {
        if (_isReplica || !world.CutsPower || world.Mutant == Mutant.EarlyFlush)
        {
            return;
        }

        vm.Disk.Recover();
        vm.Disk.Flush();
        if (_forwarding && vm.Connection is { } connection)
        {
            connection.Send(vm.Place, ReplicationChannel.Disk, peer => peer.Disk.Flush());
        }
    }

    public void Connected(bool asPrimary) => _isReplica |= !asPrimary;

    public void Disconnected() => _forwarding = false;

    public void Own() => _isReplica = false;

    public void OwnInPair() => _isReplica = false;

    public void Boot() => _isReplica = false;

    public void Output(Frame frame) => vm.Traffic.Output(frame);

    public void Clear()
    {
    }

    public void Captured()
    {
    }

    public bool TryApply(Effect effect)
    {
        switch (effect)
        {
            case Effect.ForwardDiskWrites:
                vm.Disk.Bitmap.Paired();
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
                _isReplica = false;
                Merge();
                return true;
            case Effect.CopyDisk copy:
                Copy(copy.Plan);
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

    /// <summary>By the bitmaps when both disks are of one session, else everything: hashes find out the same in a
    /// longer way.</summary>
    private void Copy(DiskCopyPlan plan)
    {
        _forwarding = true; // what the guest writes from now on follows the copy in the same stream
        vm.Disk.Flush(); // as the product does on both sides before it forgets a name
        SimBitmap bitmap = vm.Disk.Bitmap;
        (long before, long session) = (plan == DiskCopyPlan.Bitmaps ? bitmap.Session : 0, ++world.CopySessions);
        (ulong[] content, int[] named) = (vm.Disk.Snapshot(), [.. bitmap.Named]);
        bitmap.Adopt(session);
        vm.Connection?.Send(vm.Place, ReplicationChannel.Disk, peer =>
        {
            SimDisk disk = peer.Disk;
            world.Oracle.OnDiskReplaced(peer.Place);
            bool inStep = before != 0 && disk.Bitmap.Session == before;
            disk.Overwrite(content, inStep ? named.Union(disk.Bitmap.Named).ToList() : null);
            disk.Bitmap.Follow(session);
        }, 5_000);
        vm.After(20_000, () => vm.Deliver(new DiskCopyDone()));
    }
}
