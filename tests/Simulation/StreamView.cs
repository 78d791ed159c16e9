namespace Colo.Simulation;

/// <summary>A connection as the guest's TCP has it.</summary>
/// <param name="InitialSequence">The guest's initial number.</param>
/// <param name="AckNumber">The next byte that it expects of the client.</param>
/// <param name="Sent">All that it has sent, acknowledged or not.</param>
public sealed record StreamView(uint InitialSequence, uint AckNumber, IReadOnlyList<byte> Sent);
