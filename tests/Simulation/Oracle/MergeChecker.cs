namespace Colo.Simulation.Oracle;

/// <summary>
/// S11: whether the merge of a survivor's buffer runs through, or is broken off by a crash anywhere and finished later:
/// the disk is the one that the survivor's guest saw when the merge began, with its writes since.
/// </summary>
public sealed class MergeChecker
{
    private readonly SortedDictionary<Place, ulong[]> _expected = [];

    public void OnBegins(SimVm vm, long epoch) =>
        _expected[vm.Place] = 
        [
            .. Enumerable.Range(0, SimDisk.Sectors).Select(sector => vm.Disk.ReadSpeculative(sector, epoch)),
        ];

    public void OnWrite(SimVm vm, int sector, ulong value)
    {
        if (_expected.TryGetValue(vm.Place, out ulong[]? disk))
        {
            disk[sector] = value;
        }
    }

    /// <summary>What the guest wrote since and did not flush may be lost.</summary>
    public void OnCacheLost(Place place, SimDisk disk, IReadOnlyList<int> sectors)
    {
        if (_expected.TryGetValue(place, out ulong[]? expected))
        {
            ulong[] found = disk.Snapshot();
            foreach (int sector in sectors)
            {
                expected[sector] = found[sector];
            }
        }
    }

    public void OnReplaced(Place place) => _expected.Remove(place);

    /// <summary>True when there was a merge to look at.</summary>
    public bool OnMerged(Place place, SimDisk disk)
    {
        if (!_expected.Remove(place, out ulong[]? expected))
        {
            return false;
        }

        ulong[] found = disk.Snapshot();
        for (int sector = 0; sector < SimDisk.Sectors; sector++)
        {
            if (found[sector] != expected[sector])
            {
                throw new InvariantFailureException(
                    "S11",
                    $"{place}: sector {sector} is {found[sector]:x} after it, the guest had {expected[sector]:x}");
            }
        }

        return true;
    }
}
