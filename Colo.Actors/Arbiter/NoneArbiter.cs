using Colo.Actors.Protocol;

namespace Colo.Actors.Arbiter;

/// <summary>
/// No arbiter: each host keeps its own note of the record, and the operator is the judge. What both hosts agree on
/// while they talk is granted; leaving a pair alone, or booting a former pair's disk, needs
/// <see cref="ArbiterClaim.OperatorForced"/>. A guest that has ended leaves its pair, too: only the primary knows
/// whether the other host has agreed, and then says so by that claim.
/// </summary>
public sealed class NoneArbiter(WitnessArbiterStore note) : IArbiter
{
    public ValueTask<ArbiterAnswer> ReadAsync(VmId vm, CancellationToken cancellation) => note.ReadAsync(vm, cancellation);

    public ValueTask<ArbiterAnswer> CompareAndSetAsync(ArbiterProposal proposal, CancellationToken cancellation)
    {
        ArbiterRecord? current = note.Read(proposal.Next.Vm) is ArbiterAnswer.Granted granted ? granted.Record : null;
        bool leavesPair = current is { Mode: ArbiterMode.Pair } && proposal.Next.Mode == ArbiterMode.Solo && current != proposal.Next;
        return leavesPair && proposal.Claim != ArbiterClaim.OperatorForced
            ? ValueTask.FromResult<ArbiterAnswer>(new ArbiterAnswer.Refused(current, ArbiterRefusal.OperatorNeeded))
            : note.CompareAndSetAsync(proposal, cancellation);
    }

    /// <summary>The peer's record (<see cref="Effect.NoteRecord"/>); kept when it is newer.</summary>
    public ArbiterAnswer Learn(ArbiterRecord record) => note.Adopt(record);
}
