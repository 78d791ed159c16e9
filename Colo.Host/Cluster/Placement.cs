namespace Colo.Host.Cluster;

/// <summary>Which nodes a new VM gets.</summary>
public static class Placement
{
    /// <summary>
    /// The primary first, then the secondary, then the spares. Only hosts that are heard, not drained, and have the
    /// memory free: by free memory, most first, the one with fewer primaries on a tie of sixteenths; never twice the
    /// same host, and the secondary in another failure domain than the primary where there is one.
    /// </summary>
    /// <returns>Empty when no host qualifies; one name when there is nobody for the second copy.</returns>
    public static IReadOnlyList<string> Choose(long memoryBytes, IReadOnlyList<MemberView> members)
    {
        List<NodeFacts> fit =
        [
            .. members.Where(
                member =>
                member is { Status: "Up", Facts: { IsWitness: false, IsDraining: false } facts }
                && facts.FreeMemoryBytes >= memoryBytes)
                .Select(member => member.Facts!)
                .OrderByDescending(facts => Sixteenths(facts)).ThenBy(facts => facts.Primaries)
                .ThenByDescending(facts => facts.FreeMemoryBytes).ThenBy(facts => facts.Name, StringComparer.Ordinal),
        ];
        if (fit.Count < 2)
        {
            return [.. fit.Select(facts => facts.Name)];
        }

        NodeFacts primary = fit[0];
        NodeFacts secondary = fit.Skip(1).FirstOrDefault(facts => facts.FailureDomain != primary.FailureDomain)
            ?? fit[1];
        return [primary.Name, secondary.Name,
            .. fit.Where(facts => facts != primary && facts != secondary).Select(facts => facts.Name)];
    }

    /// <summary>
    /// Which of the hosts that may hold a VM are fit to take its second copy: heard, not drained, with memory left
    /// beyond what is promised there already. Another failure domain than the owner's first, then by free memory, most
    /// first.
    /// </summary>
    public static IReadOnlyList<string> RankJoiners(
        NodeFacts owner, IReadOnlyList<string> nodes, IReadOnlyList<MemberView> members) =>
    [
        .. members.Where(
            member =>
            member is { Status: "Up", Facts: { IsWitness: false, IsDraining: false, FreeMemoryBytes: > 0 } facts }
            && facts.Name != owner.Name && nodes.Contains(facts.Name))
            .Select(member => member.Facts!)
            .OrderByDescending(facts => facts.FailureDomain != owner.FailureDomain)
            .ThenByDescending(facts => facts.FreeMemoryBytes).ThenBy(facts => facts.Name, StringComparer.Ordinal)
            .Select(facts => facts.Name),
    ];

    /// <summary>Why each node that was not chosen was not, for the operator.</summary>
    public static IEnumerable<string> Reasons(long memoryBytes, IReadOnlyList<MemberView> members) =>
        members.Select(member => member switch
    {
        { Status: not "Up" } => $"{member.Node} is not heard",
        { Facts: null } => $"{member.Node} has not reported yet",
        { Facts.IsWitness: true } => $"{member.Node} is a witness",
        { Facts.IsDraining: true } => $"{member.Node} is drained",
        { Facts: var facts } when facts!.FreeMemoryBytes < memoryBytes =>
            $"{member.Node} has {facts.FreeMemoryBytes >> 20} MiB free of the {memoryBytes >> 20} that are needed",
        _ => $"{member.Node} would do",
    });

    private static long Sixteenths(NodeFacts facts) =>
        facts.TotalMemoryBytes == 0 ? 0 : facts.FreeMemoryBytes * 16 / facts.TotalMemoryBytes;
}
