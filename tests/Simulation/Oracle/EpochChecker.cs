namespace Colo.Simulation.Oracle;

/// <summary>S5 and S10: what the secondary flips to is exactly the image, memory and disk, and epochs rise.</summary>
public sealed class EpochChecker(SimWorld world)
{
    private long _lastCaptured;
    private long _lastLoaded;

    public void OnCapture(SimVm vm, SimImage image)
    {
        if (world.IsGivenUp(vm))
        {
            return; // it does not know yet that others have gone on; nobody may load this
        }

        if (image.Epoch <= _lastCaptured)
        {
            throw new InvariantFailureException("S5", $"{vm.Identity} captures {image.Epoch} after {_lastCaptured}");
        }

        _lastCaptured = image.Epoch;
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
