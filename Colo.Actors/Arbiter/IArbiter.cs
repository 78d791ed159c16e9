using Colo.Actors.Protocol;

namespace Colo.Actors.Arbiter;

/// <summary>
/// Where the record lives. Implementations never throw for trouble with storage or network: that is
/// <see cref="ArbiterAnswer.Unknown"/>. Granted means durable. The caller bounds the time by the token; cancelling a
/// change in progress gives Unknown.
/// </summary>
public interface IArbiter
{
    /// <summary>Granted with the record, Refused(<see cref="ArbiterRefusal.NoRecord"/>) or Unknown.</summary>
    ValueTask<ArbiterAnswer> ReadAsync(VmId vm, CancellationToken cancellation);

    ValueTask<ArbiterAnswer> CompareAndSetAsync(ArbiterProposal proposal, CancellationToken cancellation);
}
