using Akka.Actor;
using Akka.Cluster;
using Colo.Akka.Tests.Remote;
using ClusterOf = Akka.Cluster.Cluster;

namespace Colo.Akka.Tests.Cluster;

public class ClusterTests
{
    private static readonly TimeSpan Bound = ClusterNodes.HangBound;

    [Fact]
    public async Task A_node_that_joins_itself_is_up_and_leads()
    {
        await using var nodes = new ClusterNodes();
        var system = (await nodes.Form(1))[0];
        var cluster = ClusterOf.Get(system);
        Assert.True(cluster.IsUp);
        Assert.Equal(MemberStatus.Up, cluster.SelfMember.Status);
        Assert.Equal(cluster.SelfAddress, cluster.State.Leader);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    public async Task Nodes_that_join_come_up_everywhere(int count)
    {
        await using var nodes = new ClusterNodes();
        var systems = await nodes.Form(count);
        var leaders = systems.Select(system => ClusterOf.Get(system).State.Leader).Distinct().ToList();
        Assert.Single(leaders);

        // All agree on who is older, and the founder is the oldest.
        var ages = systems.Select(system => ClusterOf.Get(system).State.Members.Order(Member.AgeOrdering).Select(member => member.Address).ToList()).ToList();
        Assert.All(ages, order => Assert.Equal(ages[0], order));
        Assert.Equal(count, ages[0].Count);
        Assert.Equal(ClusterOf.Get(systems[0]).SelfAddress, ages[0][0]);
    }

    [Fact]
    public async Task Seed_nodes_form_one_cluster()
    {
        await using var nodes = new ClusterNodes();
        var systems = Enumerable.Range(0, 3).Select(_ => nodes.Create()).ToList();
        var seeds = systems.ConvertAll(system => ClusterOf.Get(system).SelfAddress);
        await Task.WhenAll(systems.Select(system => ClusterOf.Get(system).JoinSeedNodesAsync(seeds))).WaitAsync(Bound);
        foreach (var system in systems)
        {
            await ClusterNodes.Until(system, state => state.Members.Count(member => member.Status == MemberStatus.Up) == 3, "3 members Up");
        }
    }

    [Fact]
    public async Task A_subscriber_gets_a_snapshot_and_then_events_in_order()
    {
        await using var nodes = new ClusterNodes();
        var first = (await nodes.Form(1))[0];
        var events = new Inboxed(first);
        ClusterOf.Get(first).Subscribe(events.Ref, typeof(ClusterEvent.IMemberEvent));
        Assert.Single(Assert.IsType<ClusterEvent.CurrentClusterState>(await events.Next()).Members);
        var second = nodes.Create("akka.cluster.roles = [worker]");
        await ClusterOf.Get(second).JoinAsync(ClusterOf.Get(first).SelfAddress).WaitAsync(Bound);
        var joined = Assert.IsType<ClusterEvent.MemberJoined>(await events.Next());
        Assert.True(joined.Member.HasRole("worker"));
        Assert.IsType<ClusterEvent.MemberUp>(await events.Next());
        await ClusterOf.Get(second).LeaveAsync().WaitAsync(Bound);
        Assert.IsType<ClusterEvent.MemberLeft>(await events.Next());
        Assert.IsType<ClusterEvent.MemberExited>(await events.Next());
        Assert.Equal(MemberStatus.Exiting, Assert.IsType<ClusterEvent.MemberRemoved>(await events.Next()).PreviousStatus);
    }

    [Fact]
    public async Task Initial_state_may_come_as_events()
    {
        await using var nodes = new ClusterNodes();
        var systems = await nodes.Form(2);
        var events = new Inboxed(systems[0]);
        ClusterOf.Get(systems[0]).Subscribe(
            events.Ref, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.MemberUp));
        Assert.IsType<ClusterEvent.MemberUp>(await events.Next());
        Assert.IsType<ClusterEvent.MemberUp>(await events.Next());
    }

    [Fact]
    public async Task A_node_that_leaves_is_removed_and_its_system_ends()
    {
        await using var nodes = new ClusterNodes();
        var systems = await nodes.Form(3);
        await ClusterOf.Get(systems[0]).LeaveAsync().WaitAsync(Bound);
        await systems[0].WhenTerminated.WaitAsync(Bound);
        foreach (var rest in systems.Skip(1))
        {
            await ClusterNodes.Until(rest, state => state.Members.Count == 2, "2 members");
        }
    }

    [Fact]
    public async Task Terminating_a_system_leaves_the_cluster_in_good_order()
    {
        await using var nodes = new ClusterNodes();
        var systems = await nodes.Form(3);
        var events = new Inboxed(systems[1]);
        ClusterOf.Get(systems[1]).Subscribe(events.Ref, typeof(ClusterEvent.MemberRemoved));
        await systems[0].Terminate().WaitAsync(Bound);
        var removed = await events.Next<ClusterEvent.MemberRemoved>();
        Assert.Equal(MemberStatus.Exiting, removed.PreviousStatus);
    }

    [Fact]
    public async Task A_node_that_is_downed_stops_and_is_removed()
    {
        await using var nodes = new ClusterNodes();
        var systems = await nodes.Form(3);
        var removed = new TaskCompletionSource();
        ClusterOf.Get(systems[2]).RegisterOnMemberRemoved(removed.SetResult);
        ClusterOf.Get(systems[0]).Down(ClusterOf.Get(systems[2]).SelfAddress);
        await removed.Task.WaitAsync(Bound);
        await systems[2].WhenTerminated.WaitAsync(Bound);
        await ClusterNodes.Until(systems[0], state => state.Members.Count == 2, "2 members");
        await ClusterNodes.Until(systems[1], state => state.Members.Count == 2, "2 members");
    }

    [Fact]
    public async Task A_crashed_node_becomes_unreachable_and_the_majority_goes_on()
    {
        await using var nodes = new ClusterNodes();
        var systems = await nodes.Form(5, ClusterNodes.Noticing);
        var watched = systems[4].ActorOf(Props.Create(() => new Echo()), "echo");
        var watcher = new Inboxed(systems[0]);
        var remote = await RemoteSystems.Resolve(systems[0], systems[4], watched.Path.ToStringWithoutAddress());
        await watcher.Ref.Ask<string>(new Collector.WatchIt(remote), Bound);
        var events = new Inboxed(systems[0]);
        ClusterOf.Get(systems[0]).Subscribe(events.Ref, typeof(ClusterEvent.IReachabilityEvent), typeof(ClusterEvent.MemberRemoved));
        await ClusterNodes.Crash(systems[4]);
        await events.Next<ClusterEvent.UnreachableMember>();
        Assert.Equal(MemberStatus.Down, (await events.Next<ClusterEvent.MemberRemoved>()).PreviousStatus);
        Assert.Equal(remote, (await watcher.Next<Terminated>()).ActorRef);
        foreach (var rest in systems.Take(4))
        {
            await ClusterNodes.Until(rest, state => state.Members.Count == 4, "4 members");
        }
    }

    [Fact]
    public async Task A_new_incarnation_replaces_the_old_one()
    {
        await using var nodes = new ClusterNodes();

        // An address of this process's own: a port that the old one has given up may be somebody's before the new one
        // is there.
        var own = $"{ClusterNodes.Noticing}\nakka.remote.dot-netty.tcp.hostname = "
            + $"127.{Environment.ProcessId >> 16 | 128}."
            + $"{Environment.ProcessId >> 8 & 255}.{Environment.ProcessId & 255}";
        var systems = await nodes.Form(2, $"{own}\nakka.cluster.downing-provider-class = \"\"");
        var old = ClusterOf.Get(systems[1]).SelfUniqueAddress;
        await ClusterNodes.Crash(systems[1]);
        var again = nodes.Create(
            $"{own}\nakka.remote.dot-netty.tcp.port = {old.Address.Port}\n"
            + "akka.cluster.retry-unsuccessful-join-after = 300ms");
        await ClusterOf.Get(again).JoinAsync(ClusterOf.Get(systems[0]).SelfAddress).WaitAsync(Bound);
        await ClusterNodes.Until(
            systems[0],
            state => state.Members.Count == 2 && state.Members.All(member => member.UniqueAddress != old && member.Status == MemberStatus.Up),
            "the new incarnation Up");
    }

    [Fact]
    public async Task Nobody_comes_up_before_the_minimum_is_reached()
    {
        await using var nodes = new ClusterNodes();
        const string minimum = "akka.cluster.min-nr-of-members = 2";
        var first = nodes.Create(minimum);
        ClusterOf.Get(first).Join(ClusterOf.Get(first).SelfAddress);
        await ClusterNodes.Until(first, state => state.Members.Count == 1, "itself");
        Assert.Equal(MemberStatus.Joining, ClusterOf.Get(first).State.Members.Single().Status);
        var second = nodes.Create(minimum);
        await ClusterOf.Get(second).JoinAsync(ClusterOf.Get(first).SelfAddress).WaitAsync(Bound);
        await ClusterNodes.Until(first, state => state.Members.All(member => member.Status == MemberStatus.Up), "both Up");
    }

    [Fact]
    public async Task Joining_in_vain_fails_when_the_token_says_so()
    {
        await using var nodes = new ClusterNodes();
        var system = nodes.Create();
        using var token = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await Assert.ThrowsAsync<ClusterJoinFailedException>(
            () => ClusterOf.Get(system).JoinAsync(Address.Parse("akka.tcp://nodes@127.0.0.1:1"), token.Token));
    }
}
