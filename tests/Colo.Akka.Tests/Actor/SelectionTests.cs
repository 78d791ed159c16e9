using Akka.Actor;
using Akka.Event;
using Akka.TestKit.Xunit2;

namespace Colo.Akka.Tests.Actor;

public sealed class SelectionTests : TestKit
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public SelectionTests()
    {
        foreach (var family in new[] { "north", "south" })
        {
            Sys.ActorOf(Props.Create(() => new Family(TestActor)), family);
        }

        ReceiveN(6, Limit);
    }

    [Theory]
    [InlineData("/user/north/anna", "anna@north")]
    [InlineData("/user/north/../south/bert", "bert@south")]
    [InlineData("/user/north/?nna", "anna@north")]
    [InlineData("akka://test/user/south/anna", "anna@south")]
    public void A_path_leads_to_its_actor(string path, string expected)
    {
        Sys.ActorSelection(path).Tell("who");
        ExpectMsg(expected, Limit);
    }

    [Fact]
    public void A_wildcard_reaches_everybody_it_fits()
    {
        Sys.ActorSelection("/user/*/anna").Tell("who");
        ExpectMsgAllOf(Limit, "anna@north", "anna@south");
        Sys.ActorSelection("/user/north/*").Tell("who");
        ExpectMsgAllOf(Limit, "anna@north", "bert@north");
    }

    [Fact]
    public async Task ResolveOne_gives_the_reference()
    {
        var anna = await Sys.ActorSelection("/user/north/anna").ResolveOne(Limit);
        Assert.Equal("anna", anna.Path.Name);
        Assert.Contains('#', anna.Path.ToStringWithUid());
    }

    [Fact]
    public async Task ResolveOne_of_a_path_without_actor_throws()
    {
        await Assert.ThrowsAsync<ActorNotFoundException>(
            () => Sys.ActorSelection("/user/nobody").ResolveOne(TimeSpan.FromSeconds(5)));
    }

    [Fact]
    public void A_message_to_a_path_without_actor_is_a_dead_letter()
    {
        Sys.EventStream.Subscribe(TestActor, typeof(DeadLetter));
        Sys.ActorSelection("/user/north/nobody").Tell("hello");
        var dead = ExpectMsg<DeadLetter>(Limit);
        Assert.Equal("hello", dead.Message);
        Assert.Equal("akka://test/user/north/nobody", dead.Recipient.Path.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("$x")]
    [InlineData("a b")]
    [InlineData("é")]
    public void A_name_that_a_path_cannot_carry_is_refused(string name)
    {
        Assert.Throws<InvalidActorNameException>(() => Sys.ActorOf(Props.Create(() => new Family(TestActor)), name));
    }

    [Fact]
    public void A_name_can_be_used_once_at_a_time_and_again_after_its_actor_has_stopped()
    {
        Assert.Throws<InvalidActorNameException>(() => Sys.ActorOf(Props.Create(() => new Family(TestActor)), "north"));
        var first = Sys.ActorSelection("/user/south").ResolveOne(Limit).Result;
        Watch(first);
        Sys.Stop(first);
        ExpectTerminated(first, Limit);
        AwaitAssert(
            () =>
            {
                var second = Sys.ActorOf(Props.Create(() => new Family(TestActor)), "south");
                Assert.Equal(first.Path, second.Path);
                Assert.NotEqual(first, second);
            },
            Limit);
    }

    [Fact]
    public void Null_is_no_message()
    {
        Assert.Throws<InvalidMessageException>(() => TestActor.Tell(null!, ActorRefs.NoSender));
        Assert.Throws<InvalidMessageException>(() => Sys.DeadLetters.Tell(null!, ActorRefs.NoSender));
    }

    [Theory]
    [InlineData("")]
    [InlineData("-x")]
    [InlineData("a b")]
    [InlineData("a/b")]
    public void A_system_name_is_letters_digits_and_inner_hyphens(string name)
    {
        Assert.Throws<ArgumentException>(() => ActorSystem.Create(name));
    }

    private sealed class Family : UntypedActor
    {
        private readonly IActorRef _report;

        public Family(IActorRef report)
        {
            _report = report;
            foreach (var name in new[] { "anna", "bert" })
            {
                Context.ActorOf(Props.Create(() => new Member(report)), name);
            }

            report.Tell("up");
        }

        protected override void OnReceive(object message) => _report.Tell(Self.Path.Name);
    }

    private sealed class Member : UntypedActor
    {
        public Member(IActorRef report) => report.Tell("up");

        protected override void OnReceive(object message) =>
            Sender.Tell($"{Self.Path.Name}@{Self.Path.Parent!.Name}");
    }
}
