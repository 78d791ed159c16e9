namespace Colo.EndToEnd.Node;

/// <summary>
/// Every way to lose a host or the way to it, with real node processes: a download over one TCP connection, small
/// requests and UDP echo go on, with the right bytes, and the pair becomes whole again. With
/// <see cref="CheckpointKillTests"/> it has the eight cases of QEMU's own COLO test: one channel and several, either
/// side killed, between two checkpoints and in one.
/// </summary>
[Trait("Category", "e2e")]
[Trait("Group", "guest")]
public sealed class FaultTests(FaultTests.Run run) : IClassFixture<FaultTests.Run>
{
    [Theory]
    [InlineData("the guest boots protected")]
    [InlineData("one of two networks between the hosts is cut")]
    [InlineData("nobody but the clients reaches the primary")]
    [InlineData("nothing passes from the primary to the secondary")]
    [InlineData("the hosts' own questions to the guest are lost")]
    [InlineData("the secondary is killed")]
    [InlineData("the witness is killed")]
    [InlineData("the primary is killed")]
    [InlineData("the primary and the witness are killed, and the witness forgets")]
    [InlineData("the secondary is killed in a checkpoint")]
    [InlineData("the primary is killed in a checkpoint")]
    [InlineData("the roles are exchanged under load")]
    [InlineData("the replication cable is pulled")]
    [InlineData("both cables between the hosts clog")]
    [InlineData("the primary's LAN cable is pulled")]
    [InlineData("nothing passes between the hosts")]
    [InlineData("the primary freezes")]
    [InlineData("the primary loses its power")]
    public void The_clients_are_served_through(string step) => run.AssertStep(step);

    [Theory]
    [InlineData("a client uses the same few ports again and again")]
    [InlineData("the replication cable is slow")]
    [InlineData("the replication cable loses, doubles, damages and clogs")]
    [InlineData("the connections between the hosts are reset")]
    [InlineData("the secondary hardly gets to work")]
    [InlineData("a client storms the guest")]
    [InlineData("the switch of the clients' network starts anew")]
    public void The_clients_are_served_though_nobody_is_lost(string step) => run.AssertStep(step);

    public sealed class Run() : ScenarioRun("faults");
}

/// <summary>As <see cref="FaultTests"/>: the primary is lost in the middle of checkpoints, three in mode colo and seven
/// in mode periodic, a joiner while it is filled.</summary>
[Trait("Category", "e2e")]
[Trait("Group", "guest")]
public sealed class CheckpointKillTests(CheckpointKillTests.Run run) : IClassFixture<CheckpointKillTests.Run>
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(10)]
    public void The_clients_are_served_when_the_primary_is_killed_in_a_checkpoint(int round) =>
        run.AssertStep($"the primary is killed in a checkpoint, {round}");

    [Theory]
    [InlineData("the secondary is killed")]
    [InlineData("the primary is killed")]
    [InlineData("the secondary is killed in a checkpoint")]
    [InlineData("the joiner is killed while it is filled")]
    public void The_clients_are_served_when_checkpoints_have_several_channels(string step) => run.AssertStep(step);

    public sealed class Run() : ScenarioRun("checkpoints");
}

/// <summary>Every write that redis acknowledged is there after two kills in a row.</summary>
[Trait("Category", "e2e")]
[Trait("Group", "guest")]
public sealed class RedisTests(RedisTests.Run run) : IClassFixture<RedisTests.Run>
{
    [Theory]
    [InlineData("the primary is killed")]
    [InlineData("the other one is killed")]
    public void Acknowledged_writes_survive(string step) => run.AssertStep(step);

    public sealed class Run() : ScenarioRun("redis");
}

/// <summary>
/// A guest with a replicated disk: every record that was acknowledged as fsynced is on the survivor's disk, as a power
/// cut would leave it; a host that returns is compared only where it may differ; the guest's own end, reboot and panic
/// are no failure of a host.
/// </summary>
[Trait("Category", "e2e")]
[Trait("Group", "guest")]
public sealed class ReplicatedDiskTests(ReplicatedDiskTests.Run run) : IClassFixture<ReplicatedDiskTests.Run>
{
    [Theory]
    [InlineData("the primary's disk is slow")]
    [InlineData("writes to the primary's disk fail")]
    [InlineData("the secondary is killed and its disk is lost")]
    [InlineData("the primary is killed under writes")]
    [InlineData("the joiner is killed while it is filled")]
    [InlineData("the mode is periodic and the roles are exchanged under writes")]
    [InlineData("the new primary is killed under writes")]
    [InlineData("both disks are equal")]
    [InlineData("a changed byte of the secondary's disk is found")]
    [InlineData("the file system is clean and has every record")]
    public void Acknowledged_writes_are_on_the_disk(string step) => run.AssertStep(step);

    [Theory]
    [InlineData("the guest reboots")]
    [InlineData("the guest panics")]
    [InlineData("the guest is shut down on both")]
    public void Both_hosts_agree_that_it_is_the_guests_own_doing(string step) => run.AssertStep(step);

    [Theory]
    [InlineData("the comparer's decisions are told live")]
    [InlineData("a drill pauses the primary")]
    public void An_operator_sees_and_tries_what_it_does(string step) => run.AssertStep(step);

    public sealed class Run() : ScenarioRun("disk");
}

/// <summary>The same with one disk that both hosts open; a host that was frozen and wakes up must not write any
/// more.</summary>
[Trait("Category", "e2e")]
[Trait("Group", "guest")]
public sealed class SharedDiskTests(SharedDiskTests.Run run) : IClassFixture<SharedDiskTests.Run>
{
    [Theory]
    [InlineData("the primary is killed under writes")]
    [InlineData("the primary freezes under writes, and wakes up")]
    [InlineData("the roles are exchanged under writes")]
    [InlineData("the new primary is killed under writes")]
    [InlineData("the guest is shut down on both")]
    [InlineData("the file system is clean and has every record")]
    public void Acknowledged_writes_are_on_the_disk(string step) => run.AssertStep(step);

    public sealed class Run() : ScenarioRun("shared-disk");
}
