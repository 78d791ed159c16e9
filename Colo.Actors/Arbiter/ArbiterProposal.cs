using Colo.Actors.Protocol;

namespace Colo.Actors.Arbiter;

/// <summary>One compare-and-set: replace the record of term <paramref name="Expected"/> by
/// <paramref name="Next"/>.</summary>
/// <param name="Expected"><see cref="Term.Zero"/> when no record is expected.</param>
/// <param name="By">The asker.</param>
public sealed record ArbiterProposal(Term Expected, ArbiterRecord Next, HostIdentity By, ArbiterClaim Claim);
