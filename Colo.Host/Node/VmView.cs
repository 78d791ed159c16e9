using Colo.Actors.Vm;

namespace Colo.Host.Node;

/// <summary>A VM as the management HTTP shows it from one host's point of view.</summary>
public sealed record VmView(
    string Name, string Host, string Role, string Protection, long Term, long Epoch, string? Peer, string State, string WaitsFor,
    DateTimeOffset Since, long Checkpoints, VmGauges? Gauges);
