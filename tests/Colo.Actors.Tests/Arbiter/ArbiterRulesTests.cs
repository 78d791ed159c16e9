using Colo.Actors.Arbiter;
using Colo.Actors.Protocol;

namespace Colo.Actors.Tests.Arbiter;

public sealed class ArbiterRulesTests
{
    private static readonly HostIdentity A1 = new(new HostId("a"), new Incarnation(1));
    private static readonly HostIdentity A2 = new(new HostId("a"), new Incarnation(2));
    private static readonly HostIdentity B1 = new(new HostId("b"), new Incarnation(1));
    private static readonly HostIdentity B2 = new(new HostId("b"), new Incarnation(2));

    public static TheoryData<string, ArbiterRecord?, ArbiterProposal, ArbiterRefusal?> Cases => new()
    {
        { "first start", null, Ask(0, A1, null, A1), null },
        { "first start as a pair", null, Ask(0, A1, B1, A1), ArbiterRefusal.NotAllowed },
        { "record expected, none there", null, Ask(3, A1, null, A1), ArbiterRefusal.TermMoved },
        { "primary evicts", Pair(4), Ask(4, A1, null, A1), null },
        { "secondary takes over", Pair(4), Ask(4, B1, null, B1), null },
        { "second of two askers", Solo(5, B1), Ask(4, A1, null, A1), ArbiterRefusal.TermMoved },
        { "restarted primary claims membership", Pair(4), Ask(4, A2, null, A2), ArbiterRefusal.NotInSync },
        { "restarted secondary claims membership", Pair(4), Ask(4, B2, null, B2), ArbiterRefusal.NotInSync },
        { "restarted primary cold starts", Pair(4), Ask(4, A2, null, A2, ArbiterClaim.ColdStart), null },
        { "restarted secondary cold starts", Pair(4), Ask(4, B2, null, B2, ArbiterClaim.ColdStart), ArbiterRefusal.NotInSync },
        { "living primary cold starts", Pair(4), Ask(4, A1, null, A1, ArbiterClaim.ColdStart), ArbiterRefusal.NotInSync },
        { "operator forces the secondary's disk", Pair(4), Ask(4, B2, null, B2, ArbiterClaim.OperatorForced), null },
        { "operator forces a pair", Solo(4, A1), Ask(4, B2, A1, B2, ArbiterClaim.OperatorForced), ArbiterRefusal.NotAllowed },
        { "solo takes a joiner", Solo(4, A1), Ask(4, A1, B1, A1), null },
        { "joiner makes itself a member", Solo(4, A1), Ask(4, B1, A1, B1), ArbiterRefusal.NotInSync },
        { "pair with itself", Solo(4, A1), Ask(4, A1, A2, A1), ArbiterRefusal.NotAllowed },
        { "owner off takes a joiner", Solo(4, A1) with { PoweredOff = true }, Ask(4, A1, B1, A1), ArbiterRefusal.NotAllowed },
        { "switchover by the primary", Pair(4), Ask(4, B1, A1, A1), null },
        { "switchover by the secondary", Pair(4), Ask(4, B1, A1, B1), ArbiterRefusal.NotAllowed },
        { "pair with a third", Pair(4), Ask(4, A1, new HostIdentity(new HostId("c"), new Incarnation(1)), A1), ArbiterRefusal.NotAllowed },
        { "term skipped", Pair(4), new ArbiterProposal(new Term(4), Solo(6, A1), A1, ArbiterClaim.InSync), ArbiterRefusal.NotAllowed },
        { "solo for somebody else", Pair(4), Ask(4, B1, null, A1), ArbiterRefusal.NotAllowed },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_rule_decides(string name, ArbiterRecord? current, ArbiterProposal proposal, ArbiterRefusal? expected)
    {
        ArbiterAnswer answer = ArbiterRules.Decide(current, proposal);
        if (expected is null)
        {
            Assert.True(answer == new ArbiterAnswer.Granted(proposal.Next), $"{name}: {answer}");
        }
        else
        {
            Assert.True(answer == new ArbiterAnswer.Refused(current, expected.Value), $"{name}: {answer}");
        }
    }

    [Fact]
    public void Repeating_a_proposal_that_has_won_is_granted_again()
    {
        ArbiterProposal proposal = Ask(4, B1, null, B1);
        Assert.Equal(new ArbiterAnswer.Granted(proposal.Next), ArbiterRules.Decide(proposal.Next, proposal));
    }

    [Fact]
    public void Of_two_askers_in_any_order_exactly_one_wins()
    {
        foreach ((ArbiterProposal first, ArbiterProposal second) in ((ArbiterProposal, ArbiterProposal)[])
            [(Ask(4, A1, null, A1), Ask(4, B1, null, B1)), (Ask(4, B1, null, B1), Ask(4, A1, null, A1))])
        {
            ArbiterRecord after = Assert.IsType<ArbiterAnswer.Granted>(ArbiterRules.Decide(Pair(4), first)).Record;
            Assert.IsType<ArbiterAnswer.Refused>(ArbiterRules.Decide(after, second));
        }
    }

    [Fact]
    public void Text_round_trips()
    {
        foreach (ArbiterRecord record in (ArbiterRecord[])[Pair(4), Solo(9, B2), Solo(1, A1) with { PoweredOff = true, Vm = new VmId("a b/c\n") }])
        {
            Assert.Equal(record, ArbiterRecordText.Decode(ArbiterRecordText.Encode(record)));
        }
    }

    [Fact]
    public void Text_with_any_byte_changed_is_no_record()
    {
        string text = ArbiterRecordText.Encode(Pair(4));
        for (int i = 0; i < text.Length; i++)
        {
            string damaged = text[..i] + (char)(text[i] ^ 1) + text[(i + 1)..];
            Assert.True(ArbiterRecordText.Decode(damaged) is null, $"byte {i}");
            Assert.True(ArbiterRecordText.Decode(text[..i]) is null, $"cut at {i}");
        }
    }

    private static ArbiterRecord Pair(long term) => new(new VmId("vm"), new Term(term), A1, B1);

    private static ArbiterRecord Solo(long term, HostIdentity owner) => new(new VmId("vm"), new Term(term), owner, null);

    private static ArbiterProposal Ask(long expected, HostIdentity primary, HostIdentity? secondary, HostIdentity by,
        ArbiterClaim claim = ArbiterClaim.InSync) =>
        new(new Term(expected), new ArbiterRecord(new VmId("vm"), new Term(expected + 1), primary, secondary), by, claim);
}
