using Colo.Actors.Network;

namespace Colo.Simulation.Oracle;

/// <summary>S2: Solo is a permit only for the host that the arbiter's record, as it is now, names as the only
/// owner.</summary>
public sealed class SingleReleaserChecker(SimWorld world)
{
    public void OnRelease(SimVm vm, Frame frame, FrameFate fate)
    {
        if (fate != FrameFate.Solo)
        {
            return;
        }

        world.Oracle.Count("S2");
        if (world.Witness.Record?.IsSoloOf(vm.Identity) != true)
        {
            throw new InvariantFailureException("S2", $"{frame} released as Solo by {vm.Identity}, the record is {world.Witness.Record}");
        }
    }
}
