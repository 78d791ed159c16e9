using Colo.Actors.Protocol;

namespace Colo.Simulation.Oracle;

/// <summary>
/// L3: a burst of mismatches costs one checkpoint (a request for a mismatch finds a held frame that needs it), and
/// nothing is held for ever, neither the primary's frames nor what the secondary alone has answered.
/// </summary>
public sealed class CheckpointBudgetChecker(SimWorld world)
{
    private const long HoldMax = 3_000_000;

    /// <summary>When each host was last seen without a pair: what is held for the arbiter's answer may be held for
    /// long, and its time begins with the pair.</summary>
    private readonly long[] _unpairedAt = new long[world.Options.Hosts];

    public void OnEvent(SimVm vm, HostEvent happened)
    {
        if (happened.Code == EventCode.CheckpointRequested && happened.Summary == "Mismatch" && vm.Held.Count == 0)
        {
            throw new InvariantFailureException("L3", $"{vm.Identity} {happened.Epoch}: a checkpoint for a mismatch, and no frame is held");
        }
    }

    /// <summary>Called now and then while no fault is active and the pair is whole.</summary>
    public void OnQuiet()
    {
        foreach (SimHost host in world.Hosts)
        {
            if (host.Vm is not { Gate.NeedsMatch: true } vm || vm.Protocol.Failover.State != Colo.Actors.Failover.FailoverState.Primary)
            {
                _unpairedAt[(int)host.Place] = world.Scheduler.Now;
                continue;
            }

            if (vm.Held.Count > 0 && IsOverdue(vm.Held[0].Since, host))
            {
                throw new InvariantFailureException("L3", $"{vm.Identity} holds {vm.Held[0].Frame} for more than {HoldMax / 1000} ms");
            }

            if (IsOverdue(vm.Traffic.OldestSecondaryOnly, host))
            {
                throw new InvariantFailureException("L3", $"{vm.Identity}: what the secondary alone has answered is ignored for {HoldMax / 1000} ms");
            }
        }
    }

    private bool IsOverdue(long since, SimHost host) =>
        since != long.MaxValue && world.Scheduler.Now - Math.Max(since, _unpairedAt[(int)host.Place]) > HoldMax;
}
