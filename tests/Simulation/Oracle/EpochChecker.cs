using Colo.Actors.Protocol;

namespace Colo.Simulation.Oracle;

/// <summary>
/// S5 and S10: what the secondary flips to is exactly the image, memory and disk, and epochs rise from term to term: a
/// host that was frozen may still capture in the term that it knows.
/// </summary>
public sealed class EpochChecker
{
    private readonly SortedDictionary<Term, long> _lastCaptured = [];
    private long _lastLoaded;

    public void OnCapture(SimVm vm, SimImage image)
    {
        Term term = vm.Protocol.Failover.Term;
        long last = _lastCaptured.Where(known => known.Key <= term).Max(known => (long?)known.Value) ?? 0;
        if (image.Epoch <= last)
        {
            throw new InvariantFailureException("S5", $"{vm.Identity} captures {image.Epoch} in {term} after {last}");
        }

        _lastCaptured[term] = image.Epoch;
    }

    public void OnLoaded(SimVm vm, SimImage image, SimDisk disk)
    {
        if (image.Epoch <= _lastLoaded)
        {
            throw new InvariantFailureException("S5", $"{vm.Identity} loads {image.Epoch} after {_lastLoaded} was loaded");
        }

        _lastLoaded = image.Epoch;
        ulong digest = vm.Guest!.Digest();
        if (digest != image.Guest.Digest)
        {
            throw new InvariantFailureException(
                "S5", $"{vm.Identity} loaded {image.Epoch}: digest {digest:x} against {image.Guest.Digest:x}");
        }

        for (int sector = 0; sector < SimDisk.Sectors; sector++)
        {
            ulong here = disk.ReadSpeculative(sector, image.Epoch);
            if (here != image.Disk[sector])
            {
                throw new InvariantFailureException("S10", $"{vm.Identity} at {image.Epoch}: sector {sector} {here:x} against {image.Disk[sector]:x}");
            }
        }
    }
}
