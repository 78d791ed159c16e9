using Colo.Actors.Protocol;

namespace Colo.Simulation.Oracle;

/// <summary>S2 for a disk that both hosts open: once another host has touched it, only one that the arbiter's record
/// names as the owner or the primary may.</summary>
public sealed class SharedDiskChecker(SimWorld world)
{
    private HostIdentity? _last;

    public void OnTouched(SimVm vm)
    {
        bool named = world.Witness.Record is not { } record || record.Primary == vm.Identity;
        if (!named && _last != vm.Identity)
        {
            throw new InvariantFailureException(
                "S2", $"{vm.Identity} changes the disk after {_last}, the record is {world.Witness.Record}");
        }

        _last = vm.Identity;
    }
}
