using Akka.Actor;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Actors.Arbiter;

/// <summary>
/// Asks the arbiter for one VM and brings the answer back as a message. Whatever goes wrong on the way, time-out
/// included, is <see cref="ArbiterAnswer.Unknown"/>: an answer always comes, and only yes is yes.
/// </summary>
internal sealed class ArbiterActor : ReceiveActor
{
    private readonly VmId vm;
    private readonly IArbiter arbiter;
    private readonly TimeSpan timeout;
    private readonly TimeProvider time;

    public ArbiterActor(VmId vm, IArbiter arbiter, TimeSpan timeout, TimeProvider time)
    {
        this.time = time;
        this.vm = vm;
        this.arbiter = arbiter;
        this.timeout = timeout;
        Receive<Effect.AskArbiter>(Ask);
        Receive<Effect.NoteRecord>(note => (this.arbiter as NoneArbiter)?.Learn(note.Record));
    }

    private void Ask(Effect.AskArbiter ask) =>
        AnswerAsync(ask.Proposal).PipeTo(
            Context.Parent,
            Self,
            success: answer => new ArbiterAnswered(ask.Request, answer),
            failure: problem => new ArbiterAnswered(ask.Request, new ArbiterAnswer.Unknown(problem.Message)));

    private async Task<ArbiterAnswer> AnswerAsync(ArbiterProposal? proposal)
    {
        using var limit = new CancellationTokenSource(timeout, time);
        ValueTask<ArbiterAnswer> asked = proposal is null
            ? arbiter.ReadAsync(vm, limit.Token)
            : arbiter.CompareAndSetAsync(proposal, limit.Token);
        return await asked.ConfigureAwait(false);
    }
}
