namespace Colo.Vmm.Qmp.Filters;

/// <summary>What every filter has: its id, the card's chain, what it sees, and whether it is on.</summary>
internal sealed record FilterSettings(string Id, FilterChain Chain, FilterQueue Queue, bool IsOn);
