using System.Collections.Concurrent;
using System.Security.Cryptography;
using Colo.Actors.Links;
using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;

namespace Colo.Actors.Arbiter;

/// <summary>
/// Asks a witness node over the control links. A question that finds no link, or whose answer does not come before the
/// caller cancels, is <see cref="ArbiterAnswer.Unknown"/>: it may have been carried out.
/// </summary>
public sealed class WitnessArbiter(HostId witness, Func<PeerLinks> links) : IArbiter
{
    private readonly ConcurrentDictionary<ulong, TaskCompletionSource<ArbiterAnswer>> waiting = new();

    // From anywhere: the witness may still answer what this host's former life has asked, and that is no answer to this
    // one.
    private long lastRequest = RandomNumberGenerator.GetInt32(int.MaxValue) * (1L << 31);

    public ValueTask<ArbiterAnswer> ReadAsync(VmId vm, CancellationToken cancellation) =>
        AskAsync(new WireArbiterRequest { Vm = vm.Name }, cancellation);

    public ValueTask<ArbiterAnswer> CompareAndSetAsync(ArbiterProposal proposal, CancellationToken cancellation) =>
        AskAsync(
            new WireArbiterRequest
            {
                Vm = proposal.Next.Vm.Name,
                HasProposal = true,
                Expected = (ulong)proposal.Expected.Value,
                Next = PeerCodec.ToWire(proposal.Next),
                By = PeerCodec.ToWire(proposal.By),
                Claim = (int)proposal.Claim,
            },
            cancellation);

    /// <summary>An answer has arrived; late ones find nobody waiting.</summary>
    public void Take(WireArbiterReply reply)
    {
        if (waiting.TryRemove(reply.Request, out TaskCompletionSource<ArbiterAnswer>? asked))
        {
            asked.TrySetResult(AnswerOf(reply));
        }
    }

    /// <summary>The wire form of an answer.</summary>
    public static WireArbiterReply ToWire(ulong request, ArbiterAnswer answer)
    {
        var wire = new WireArbiterReply { Request = request };
        switch (answer)
        {
            case ArbiterAnswer.Granted granted:
                wire.Answer = 1;
                wire.Record = PeerCodec.ToWire(granted.Record);
                break;
            case ArbiterAnswer.Refused refused:
                wire.Answer = 2;
                wire.Refusal = (int)refused.Reason;
                if (refused.Current is { } current)
                {
                    wire.Record = PeerCodec.ToWire(current);
                }

                break;
            case ArbiterAnswer.Unknown unknown:
                wire.Answer = 3;
                wire.Text = unknown.Reason;
                break;
        }

        return wire;
    }

    /// <summary>The proposal in a question, or null with a reason when it makes no sense.</summary>
    public static ArbiterProposal? ProposalOf(WireArbiterRequest request)
    {
        ArbiterRecord? next = PeerCodec.FromWire(request.Next);
        var claim = (ArbiterClaim)request.Claim;
        return next is null || request.By is null || request.Expected > long.MaxValue || !Enum.IsDefined(claim) || next.Vm.Name != request.Vm
            ? null
            : new ArbiterProposal(new Term((long)request.Expected), next, PeerCodec.FromWire(request.By), claim);
    }

    private static ArbiterAnswer AnswerOf(WireArbiterReply reply)
    {
        ArbiterRecord? record = PeerCodec.FromWire(reply.Record);
        var refusal = (ArbiterRefusal)reply.Refusal;
        return reply.Answer switch
        {
            1 when record is not null => new ArbiterAnswer.Granted(record),
            2 when Enum.IsDefined(refusal) => new ArbiterAnswer.Refused(record, refusal),
            _ => new ArbiterAnswer.Unknown(reply.Text.Length > 0 ? reply.Text : "an answer that makes no sense"),
        };
    }

    private async ValueTask<ArbiterAnswer> AskAsync(WireArbiterRequest request, CancellationToken cancellation)
    {
        request.Request = (ulong)Interlocked.Increment(ref lastRequest);
        var answer = new TaskCompletionSource<ArbiterAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        waiting[request.Request] = answer;
        try
        {
            return links().Ask(witness, request)
                ? await answer.Task.WaitAsync(cancellation).ConfigureAwait(false)
                : new ArbiterAnswer.Unknown($"there is no link to the witness {witness}");
        }
        catch (OperationCanceledException)
        {
            return new ArbiterAnswer.Unknown($"the witness {witness} has not answered in time");
        }
        finally
        {
            waiting.TryRemove(request.Request, out _);
        }
    }
}
