using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Simulation;

/// <summary>
/// One disk for both hosts (adr/0012). In a pair the owner sends what a sector had to the secondary's buffer before it
/// changes it for the first time in an epoch, and writes only as long as the secondary's last answer allows. A lost
/// link holds all writes until the arbiter has made this host the only owner; a survivor leaves the disk alone for
/// longer than the lease, and its guest's writes wait for the merge's list.
/// </summary>
public sealed class SharedStorage(SimVm vm, SimWorld world) : ISimStorage
{
    private const long LeaseMicros = 100_000;
    private const long TakeOverMicros = 300_000;

    private enum Role
    {
        Owner,
        Replica,
        Survivor,
    }

    private readonly Queue<(int Sector, ulong Value)> _pending = new();
    private readonly Queue<Frame> _output = new();
    private readonly HashSet<int> _kept = [];
    private Role _role = Role.Owner;
    private bool _paired;
    private bool _held;
    private long _link;
    private bool _asked;
    private long? _confirmed;

    public bool HasPending => _pending.Count > 0;

    public void Write(int sector, ulong value)
    {
        world.Oracle.OnGuestWrite(vm, sector, value);
        if (_role == Role.Replica)
        {
            vm.Disk.WriteSpeculative(sector, value);
            return;
        }

        _pending.Enqueue((sector, value));
        Pump();
    }

    public ulong Read(int sector)
    {
        ulong value = _role == Role.Owner ? vm.Disk.Read(sector) : vm.Disk.ReadSpeculative(sector, vm.Tag);
        foreach ((int written, ulong waiting) in _pending)
        {
            value = written == sector ? waiting : value;
        }

        world.Oracle.OnGuestRead(vm, sector, value);
        return value;
    }

    public void Flush()
    {
        // what is written to shared storage is there
    }

    public void Output(Frame frame)
    {
        if (HasPending)
        {
            _output.Enqueue(frame);
        }
        else
        {
            vm.Traffic.Output(frame);
        }
    }

    public void Connected(bool asPrimary)
    {
        Unlink();
        if (!asPrimary)
        {
            _role = Role.Replica;
            world.Oracle.OnDiskReplaced(vm.Place); // a merge that was cut short is of no matter any more
            vm.Disk.Forget();
        }
        else if (_role == Role.Replica)
        {
            // The exchange of roles: both guests stood, the buffer is empty, and the new link is a pair's at once.
            (_role, _paired, _held) = (Role.Owner, true, false);
            vm.Disk.DropBuffer();
        }
    }

    public void Disconnected()
    {
        _held |= _paired;
        Unlink();
    }

    public void Own()
    {
        if (_role == Role.Owner)
        {
            (_paired, _held) = (false, false);
            Pump();
        }
    }

    public void OwnInPair()
    {
        // The right to write is the lease's, not the gate's.
    }

    public void Boot()
    {
        _role = Role.Owner;
        (_paired, _held) = (false, false);
        vm.Disk.Recover();
        world.Oracle.OnMerged(vm.Place, vm.Disk);
    }

    public void Clear()
    {
        _pending.Clear();
        _output.Clear();
    }

    public void Captured() => _kept.Clear();

    public bool TryApply(Effect effect)
    {
        switch (effect)
        {
            case Effect.ForwardDiskWrites:
                (_paired, _held) = (true, false);
                Pump();
                return true;
            case Effect.RecordDiskWrites:
                Own();
                return true;
            case Effect.ReceiveDiskWrites:
                return true;
            case Effect.IdleDisk:
                (_paired, _held) = (false, false);
                vm.Disk.DropBuffer();
                return true;
            case Effect.MergeDiskBuffer merge:
                _role = Role.Survivor;
                vm.Wait(TakeOverMicros, () => BeginMerge(merge.Epoch.Value));
                return true;
            case Effect.CopyDisk:
                _paired = true; // there is nothing to copy
                vm.After(1_000, () => vm.Deliver(new DiskCopyDone()));
                return true;
            default:
                return false;
        }
    }

    private void BeginMerge(long epoch)
    {
        if (_role != Role.Survivor)
        {
            return;
        }

        world.Oracle.OnMergeBegins(vm, epoch);
        world.Oracle.OnDiskTouched(vm);
        vm.Disk.BeginMerge(epoch);
        _role = Role.Owner;
        (_paired, _held) = (false, false);
        Pump();
        Merge();
    }

    private void Merge() => vm.After(vm.Noise.LogBetween(50, 500) + world.Network.DiskDelayOf(vm.Place), () =>
    {
        if (vm.Disk.MergeOne())
        {
            world.Oracle.OnDiskTouched(vm);
            Merge();
        }
        else
        {
            world.Oracle.OnMerged(vm.Place, vm.Disk);
            vm.Deliver(new DiskMerged());
        }
    });

    /// <summary>Writes what may be written now; what may not asks for it.</summary>
    private void Pump()
    {
        while (_pending.TryPeek(out (int Sector, ulong Value) first) && MayWrite(first.Sector))
        {
            _pending.Dequeue();
            world.Oracle.OnDiskTouched(vm);
            world.Oracle.OnDiskWrite(vm, first.Sector, first.Value);
            vm.Disk.Write(first.Sector, first.Value);
        }

        while (!HasPending && _output.TryDequeue(out Frame? frame))
        {
            vm.Traffic.Output(frame);
        }
    }

    private bool MayWrite(int sector)
    {
        bool reckless = world.Mutant == Mutant.NoLease;
        if (_role == Role.Survivor || (_held && !reckless))
        {
            return false;
        }

        if (!_paired)
        {
            return true;
        }

        bool leased = reckless || (_confirmed is { } confirmed && vm.LocalMicros - confirmed < LeaseMicros);
        bool kept = _kept.Contains(sector) || world.Mutant == Mutant.NoOriginals
            || (reckless && vm.Connection is not { Broken: false });
        if (!kept || !leased)
        {
            Ask(kept ? null : sector);
        }

        return kept && leased;
    }

    /// <summary>Sends what the sector has, or only asks whether the secondary still answers.</summary>
    private void Ask(int? sector)
    {
        if (_asked || vm.Connection is not { Broken: false } connection)
        {
            return;
        }

        _asked = true;
        (long link, long asked, long tag) = (_link, vm.LocalMicros, vm.Tag);
        ulong old = vm.Disk.Read(sector ?? 0);
        connection.Send(vm.Place, ReplicationChannel.Disk, peer =>
        {
            if (sector is { } number)
            {
                peer.Disk.KeepOriginal(number, old, tag);
            }

            connection.Send(peer.Place, ReplicationChannel.Disk, _ => Answered(link, asked, tag, sector));
        });
    }

    private void Answered(long link, long asked, long tag, int? sector)
    {
        if (link != _link)
        {
            return;
        }

        _asked = false;
        _confirmed = asked;
        if (sector is { } kept && tag == vm.Tag)
        {
            _kept.Add(kept);
        }

        Pump();
    }

    private void Unlink()
    {
        _link++;
        _asked = false;
        _confirmed = null;
        _kept.Clear();
    }
}
