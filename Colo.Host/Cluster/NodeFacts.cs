namespace Colo.Host.Cluster;

/// <summary>What a node says of itself, for operators and for the placement of new VMs.</summary>
/// <param name="FreeMemoryBytes">What the kernel calls available, less what VMs defined here may still take.</param>
/// <param name="FailureDomain">Operator's word for what fails together (rack, room, circuit); empty: not said.</param>
/// <param name="Arbiter">Kind of arbiter that this node asks.</param>
public sealed record NodeFacts(
    string Name, bool IsWitness, string FailureDomain, long FreeMemoryBytes, long TotalMemoryBytes, int Vms,
    int Primaries,
    bool IsDraining, bool ReachesGateway, string Arbiter, string Program);
