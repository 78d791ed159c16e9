using Akka.Actor;
using Akka.TestKit.Xunit2;

namespace Colo.Akka.Tests.Actor;

public sealed class AskTests : TestKit
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task The_first_answer_completes_the_task()
    {
        Assert.Equal("hello", await Echo().Ask<string>("hello", Limit));
    }

    [Fact]
    public async Task A_failure_answer_throws_its_cause()
    {
        var e = await Assert.ThrowsAsync<InvalidOperationException>(
            () => Echo().Ask<string>(new Status.Failure(new InvalidOperationException("no")), Limit));
        Assert.Equal("no", e.Message);
    }

    [Fact]
    public async Task Untyped_a_failure_is_an_answer_like_any_other()
    {
        var failure = new Status.Failure(new InvalidOperationException("no"));
        Assert.Same(failure, await Echo().Ask(failure, Limit));
    }

    [Fact]
    public async Task An_answer_of_another_type_is_an_argument_error()
    {
        await Assert.ThrowsAsync<ArgumentException>(() => Echo().Ask<int>("hello", Limit));
        await Assert.ThrowsAsync<ArgumentException>(() => Echo().Ask<int>(new Status.Success("x"), Limit));
        await Assert.ThrowsAsync<ArgumentException>(() => Echo().Ask<int>(new TimeoutException(), Limit));
    }

    [Fact]
    public async Task No_answer_ends_in_a_timeout()
    {
        await Assert.ThrowsAsync<AskTimeoutException>(
            () => Sys.ActorOf(Props.Create(() => new Mute())).Ask("anybody?", TimeSpan.FromMilliseconds(30)));
    }

    [Fact]
    public async Task A_cancelled_token_cancels_the_task()
    {
        using var source = new CancellationTokenSource();
        var answer = Sys.ActorOf(Props.Create(() => new Mute())).Ask("anybody?", Limit, source.Token);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => answer);
    }

    [Fact]
    public async Task A_dead_actor_does_not_answer()
    {
        var dead = Echo();
        await dead.GracefulStop(Limit);
        await Assert.ThrowsAsync<AskTimeoutException>(() => dead.Ask("x", TimeSpan.FromMilliseconds(30)));
    }

    [Fact]
    public async Task Nobody_cannot_be_asked()
    {
        // On a thread of its own: inside an actor's context the system is known and the question just has no answer.
        await Assert.ThrowsAsync<NotSupportedException>(
            () => Task.Factory.StartNew(
                () => ActorRefs.Nobody.Ask("x", TimeSpan.FromMilliseconds(30)), CancellationToken.None,
                TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap());
    }

    [Fact]
    public async Task A_message_factory_gets_the_reference_to_answer_to()
    {
        var courier = Sys.ActorOf(Props.Create(() => new Courier()));
        Assert.Equal("to you", await courier.Ask<string>(me => new Letter(me), Limit, CancellationToken.None));
    }

    [Fact]
    public async Task PipeTo_sends_the_result_or_the_failure()
    {
        await Task.FromResult("good").PipeTo(TestActor);
        await ExpectMsgAsync("good", Limit);
        await Task.FromException<string>(new InvalidOperationException("bad")).PipeTo(TestActor);
        Assert.Equal("bad", (await ExpectMsgAsync<Status.Failure>(Limit)).Cause.Message);
        await Task.FromResult(2).PipeTo(TestActor, success: n => n + 1);
        await ExpectMsgAsync(3, Limit);
        await Task.FromException<int>(new InvalidOperationException("bad")).PipeTo(TestActor, failure: e => e.Message);
        await ExpectMsgAsync("bad", Limit);
    }

    [Fact]
    public async Task Identify_is_answered_by_the_engine()
    {
        var echo = Echo();
        var identity = await echo.Ask<ActorIdentity>(new Identify(7), Limit);
        Assert.Equal(7, identity.MessageId);
        Assert.Equal(echo, identity.Subject);
    }

    private IActorRef Echo() => Sys.ActorOf(Props.Create(() => new EchoActor()));

    private sealed class EchoActor : UntypedActor
    {
        protected override void OnReceive(object message) => Sender.Tell(message);
    }

    private sealed class Mute : UntypedActor
    {
        protected override void OnReceive(object message)
        {
        }
    }

    private sealed record Letter(IActorRef ReplyTo);

    private sealed class Courier : ReceiveActor
    {
        public Courier() => Receive<Letter>(l => l.ReplyTo.Tell("to you"));
    }
}
