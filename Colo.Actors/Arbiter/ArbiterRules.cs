using Colo.Actors.Protocol;

namespace Colo.Actors.Arbiter;

/// <summary>
/// The arbiter's whole decision, the same for every kind of storage. Pure: (record in force, proposal) gives the
/// answer; on Granted the caller makes the record durable before it tells anybody. Repeating a proposal that has
/// already won is granted again, so a lost answer costs nothing.
/// <code>
/// none -> solo(me)                 first start
/// pair -> solo(me)                 I am in the set (fail-over, eviction)
/// solo(me) -> pair(me, other)      a joiner has everything
/// pair(me, other) -> pair(other, me)   planned switchover
/// solo(me) -> solo(me)             power state, new life of the same host (cold start)
/// pair -> solo(primary's host)     cold start: every memory is lost, the primary's disk is current
/// </code>
/// </summary>
public static class ArbiterRules
{
    public static ArbiterAnswer Read(ArbiterRecord? current) =>
        current is null ? new ArbiterAnswer.Refused(null, ArbiterRefusal.NoRecord) : new ArbiterAnswer.Granted(current);

    public static ArbiterAnswer Decide(ArbiterRecord? current, ArbiterProposal proposal)
    {
        if (current is not null && current == proposal.Next)
        {
            return new ArbiterAnswer.Granted(current);
        }

        ArbiterRefusal? refusal = Refuse(current, proposal);
        return refusal is { } reason ? new ArbiterAnswer.Refused(current, reason) : new ArbiterAnswer.Granted(proposal.Next);
    }

    private static ArbiterRefusal? Refuse(ArbiterRecord? current, ArbiterProposal proposal)
    {
        ArbiterRecord next = proposal.Next;
        if (next.Term != proposal.Expected.Next || next.Secondary?.Host == next.Primary.Host || !next.InSync(proposal.By))
        {
            return ArbiterRefusal.NotAllowed;
        }

        if (current is null)
        {
            return proposal.Expected != Term.Zero ? ArbiterRefusal.TermMoved
                : next.IsSoloOf(proposal.By) ? null
                : ArbiterRefusal.NotAllowed;
        }

        if (current.Term != proposal.Expected)
        {
            return ArbiterRefusal.TermMoved;
        }

        return current.Vm != next.Vm ? ArbiterRefusal.NotAllowed : proposal.Claim switch
        {
            ArbiterClaim.InSync => RefuseInSync(current, proposal),
            ArbiterClaim.ColdStart => RefuseColdStart(current, proposal),
            ArbiterClaim.OperatorForced => next.IsSoloOf(proposal.By) ? null : ArbiterRefusal.NotAllowed,
            _ => ArbiterRefusal.NotAllowed,
        };
    }

    private static ArbiterRefusal? RefuseInSync(ArbiterRecord current, ArbiterProposal proposal)
    {
        if (!current.InSync(proposal.By))
        {
            return ArbiterRefusal.NotInSync;
        }

        ArbiterRecord next = proposal.Next;
        bool allowed = (current.Mode, next.Mode) switch
        {
            (ArbiterMode.Pair, ArbiterMode.Solo) => next.Primary == proposal.By,
            (ArbiterMode.Solo, ArbiterMode.Solo) => next.Primary == proposal.By,
            (ArbiterMode.Solo, ArbiterMode.Pair) => next.Primary == proposal.By && !current.PoweredOff,
            (ArbiterMode.Pair, ArbiterMode.Pair) => current.Primary == proposal.By
                && next.Primary == current.Secondary && next.Secondary == current.Primary,
            _ => false,
        };
        return allowed ? null : ArbiterRefusal.NotAllowed;
    }

    private static ArbiterRefusal? RefuseColdStart(ArbiterRecord current, ArbiterProposal proposal)
    {
        bool hasTheDisk = current.Primary.Host == proposal.By.Host && current.Primary != proposal.By;
        return !hasTheDisk ? ArbiterRefusal.NotInSync
            : proposal.Next.IsSoloOf(proposal.By) ? null
            : ArbiterRefusal.NotAllowed;
    }
}
