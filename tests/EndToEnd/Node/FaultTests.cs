namespace Colo.EndToEnd.Node;

/// <summary>
/// Every way to lose a host or the way to it, with real node processes: a download over one TCP connection, small
/// requests and UDP echo go on, with the right bytes, and the pair becomes whole again.
/// </summary>
[Trait("Category", "e2e")]
[Trait("Group", "guest")]
public sealed class FaultTests(FaultTests.Run run) : IClassFixture<FaultTests.Run>
{
    [Theory]
    [InlineData("the guest boots protected")]
    [InlineData("the secondary is killed")]
    [InlineData("the primary is killed")]
    [InlineData("the roles are exchanged under load")]
    [InlineData("the replication cable is pulled")]
    [InlineData("the primary's LAN cable is pulled")]
    [InlineData("nothing passes between the hosts")]
    [InlineData("the primary freezes")]
    [InlineData("the primary loses its power")]
    public void The_clients_are_served_through(string step) => run.AssertStep(step);

    public sealed class Run() : ScenarioRun("faults");
}
