using System.Buffers.Binary;
using System.Net;
using Colo.Actors.Arbiter;
using Colo.Actors.Heartbeat;
using Colo.Actors.Links;
using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;
using Colo.Vmm.Links;

namespace Colo.Actors.Tests.Arbiter;

public sealed class WitnessArbiterTests
{
    private const byte ArbiterRequest = 3;

    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(90);

    private static readonly HostId Witness = new("witness");
    private static readonly VmId Vm = new("web");

    [Fact]
    public async Task An_answer_to_a_hosts_former_life_is_none_to_this_one()
    {
        using var late = new CancellationTokenSource(Hang);
        Asked former = await AskAsync(1, late.Token);
        Asked now = await AskAsync(2, late.Token);
        var record = new ArbiterRecord(Vm, new Term(1), Life(1), null);
        now.Arbiter.Take(WitnessArbiter.ToWire(former.Question.Request, new ArbiterAnswer.Granted(record)));
        var mine = new ArbiterAnswer.Refused(record, ArbiterRefusal.TermMoved);
        now.Arbiter.Take(WitnessArbiter.ToWire(now.Question.Request, mine));
        Assert.Equal(mine, await now.Answer);
    }

    private static HostIdentity Life(long incarnation) => new(new HostId("a"), new Incarnation(incarnation));

    /// <summary>Asks as a life of the host does, and hears what reaches the witness.</summary>
    private static async Task<Asked> AskAsync(long incarnation, CancellationToken late)
    {
        var heard = new TaskCompletionSource<WireArbiterRequest>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var listener = new LinkListener(
            new IPEndPoint(IPAddress.Loopback, 0), null, (_, _) => (LinkAnswer.Accepted, 0),
            link => Hear(link, heard), _ => { });
        var links = new UpEvents();
        await using var peers = new PeerLinks(
            Life(incarnation), [new PeerEndpoint(Witness, [listener.LocalEndPoint])], null, TimeProvider.System, links);
        await links.Up.WaitAsync(late);
        var arbiter = new WitnessArbiter(Witness, () => peers);
        var first = new ArbiterRecord(Vm, new Term(1), Life(incarnation), null);
        Task<ArbiterAnswer> answer = arbiter.CompareAndSetAsync(
            new ArbiterProposal(Term.Zero, first, Life(incarnation), ArbiterClaim.InSync), late).AsTask();
        return new Asked(await heard.Task.WaitAsync(late), arbiter, answer);
    }

    private static void Hear(DataLink link, TaskCompletionSource<WireArbiterRequest> heard)
    {
        using (link)
        {
            byte[] head = new byte[5];
            link.Stream.ReadExactly(head);
            Assert.Equal(ArbiterRequest, head[4]);
            byte[] payload = new byte[BinaryPrimitives.ReadInt32BigEndian(head)];
            link.Stream.ReadExactly(payload);
            heard.TrySetResult(WireArbiterRequest.Parser.ParseFrom(payload));
        }
    }

    private sealed record Asked(WireArbiterRequest Question, WitnessArbiter Arbiter, Task<ArbiterAnswer> Answer);

    /// <summary>Notices that a link is open; nothing else comes.</summary>
    private sealed class UpEvents : IPeerLinkEvents
    {
        private readonly TaskCompletionSource up = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Up => up.Task;

        public void LinkChanged(HostId peer, int network, LinkCondition condition)
        {
            if (condition == LinkCondition.Up)
            {
                up.TrySetResult();
            }
        }

        public void HeartbeatReceived(HostIdentity from, int network, WireHeartbeat heartbeat)
        {
        }

        public void MessageReceived(VmId vm, PeerMessage message)
        {
        }

        public void ArbiterAsked(HostId from, WireArbiterRequest request)
        {
        }

        public void ArbiterReplied(WireArbiterReply reply)
        {
        }

        public void ReportReceived(HostId from, WireNodeReport report)
        {
        }

        public void NodeAsked(HostId from, WireNodeRequest request)
        {
        }

        public void NodeReplied(HostId from, WireNodeReply reply)
        {
        }

        public void Refused(string sentence)
        {
        }
    }
}
