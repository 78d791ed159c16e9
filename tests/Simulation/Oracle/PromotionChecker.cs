using Colo.Actors.Arbiter;

namespace Colo.Simulation.Oracle;

/// <summary>
/// S4: only a member of the set gets a term, a joiner enters it only with a complete state, and nobody boots from a
/// disk while a member that lives holds the guest. A host whose disk was lost gets no term before it has been filled.
/// </summary>
public sealed class PromotionChecker(SimWorld world)
{
    /// <param name="forgotten">The witness has lost <paramref name="before"/> and counts on from an older
    /// term.</param>
    public void OnRecord(ArbiterRecord? before, ArbiterRecord after, ArbiterProposal proposal, bool forgotten)
    {
        if (after.PoweredOff)
        {
            world.GuestFaults.OnOff();
        }

        if (before is null)
        {
            return;
        }

        foreach (SimHost host in world.Hosts)
        {
            bool empty = host.Disk.IsLost && host.Vm is { } vm && after.InSync(vm.Identity);
            Require(!empty, $"{before} to {after}: the disk of {host.Place} was lost and has not been filled");
        }

        Require(!before.PoweredOff || after.PoweredOff || world.GuestFaults.StartOrdered,
            $"{before} to {after}: nobody has started the guest again");

        Require(forgotten || after.Term == before.Term.Next, $"{before} to {after}: not the next term");
        if (proposal.Claim == ArbiterClaim.InSync)
        {
            Require(before.InSync(proposal.By), $"{before} to {after}: {proposal.By} was not in the set");
        }

        if (proposal.Claim == ArbiterClaim.ColdStart)
        {
            Require(before.Primary.Host == after.Primary.Host, $"{before} to {after}: from an old disk");
            foreach (SimHost host in world.Hosts)
            {
                // An owner that dies before it hears of the pair boots again when the witness has lost the pair: the
                // joiner, which has released nothing, is evicted.
                bool holder = host.Vm is { Guest: not null } vm && before.InSync(vm.Identity)
                    && !(forgotten && vm.Gate.IsClosed);
                Require(!holder, $"{before} to {after}: {host.Place} is in the set and holds the guest");
            }
        }

        if (after.Mode == ArbiterMode.Pair && before.Mode == ArbiterMode.Solo)
        {
            SimVm? joiner = world.Hosts.Select(host => host.Vm).FirstOrDefault(vm => vm?.Identity == after.Secondary);
            Require(joiner is null || joiner.Guest is not null || joiner.Protocol.Failover.StateName == "Parked",
                $"{after}: the joiner has no guest");
        }
    }

    public static void OnBoot(SimVm vm) =>
        Require(!vm.Disk.IsLost, $"{vm.Identity} boots the guest from a disk that was lost and has not been filled");

    private static void Require(bool condition, string what)
    {
        if (!condition)
        {
            throw new InvariantFailureException("S4", what);
        }
    }
}
