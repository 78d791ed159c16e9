using Colo.Actors.Arbiter;
using Colo.Actors.Protocol;

namespace Colo.Simulation.Oracle;

/// <summary>S15: Protected is said only when the arbiter's record of that term is a pair with this host in
/// it.</summary>
public sealed class HonestStatusChecker(SimWorld world)
{
    public void OnStatus(SimVm vm, VmStatus status)
    {
        if (status.Protection != ProtectionState.Protected)
        {
            return;
        }

        ArbiterRecord? record = world.Witness.Record;
        bool honest = record is not null
            && (record.Term > status.Term || IsPast(vm)
                || (record.Mode == ArbiterMode.Pair && record.InSync(vm.Identity)));
        if (!honest)
        {
            throw new InvariantFailureException("S15", $"{vm.Identity} says Protected in {status.Term}, the record is {record}");
        }
    }

    /// <summary>The VM has gone on in a second record of the term: the witness had lost the first.</summary>
    private bool IsPast(SimVm vm) =>
        vm.Protocol.Failover.Record is { } known && world.Witness.Truth.IsPast(known);
}
