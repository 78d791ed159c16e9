using Colo.Vmm.Block;

namespace Colo.Actors.Vm;

/// <summary>How the comparison of a VM's replicated disks ended.</summary>
/// <param name="Problem">Why it is not whole; empty when every disk was compared to its end.</param>
/// <param name="Disks">Result of each disk, by its number among those of the guest.</param>
public sealed record DiskVerifyReport(string Problem, IReadOnlyList<(int Number, DiskVerifyResult Result)> Disks);
