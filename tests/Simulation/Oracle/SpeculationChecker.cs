namespace Colo.Simulation.Oracle;

/// <summary>
/// S9: what a guest reads is what its own history wrote: the disk as of the image that it was loaded from, and its own
/// writes since. A write of the primary that no checkpoint has committed is in neither.
/// </summary>
public sealed class SpeculationChecker(SimWorld world)
{
    private readonly SortedDictionary<Place, ulong[]> _disks = [];

    public void OnLoaded(SimVm vm, SimImage image) => _disks[vm.Place] = (ulong[])image.Disk.Clone();

    public void OnGone(SimVm vm) => _disks.Remove(vm.Place);

    public void OnWrite(SimVm vm, int sector, ulong value)
    {
        if (_disks.TryGetValue(vm.Place, out ulong[]? disk))
        {
            disk[sector] = value;
        }
    }

    public void OnRead(SimVm vm, int sector, ulong value)
    {
        bool matters = !world.Options.SharedDisk || !world.IsGivenUp(vm);
        if (matters && _disks.TryGetValue(vm.Place, out ulong[]? disk) && disk[sector] != value)
        {
            throw new InvariantFailureException(
                "S9", $"{vm.Identity} reads {value:x} from sector {sector}, its own history has {disk[sector]:x}");
        }
    }
}
