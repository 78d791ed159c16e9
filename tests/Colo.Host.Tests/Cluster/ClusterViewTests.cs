using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;
using Colo.Host.Cluster;

namespace Colo.Host.Tests.Cluster;

public sealed class ClusterViewTests
{
    private const string Good = """
        {"name":"web","host":"x","role":"Primary","protection":"Protected","state":"","waitsFor":"","nodes":["a"]}
        """;

    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("""{"name":""}""")]
    [InlineData("""{"name":"web"}""")]
    [InlineData("""{"name":"web","role":"Primary","protection":"Protected","state":"","waitsFor":"","nodes":null}""")]
    [InlineData("""{"name":"web","role":"Primary","protection":"Protected","state":"","waitsFor":"","nodes":[null]}""")]
    public void A_report_that_makes_no_sense_is_dropped(string vm)
    {
        ClusterView view = Empty();

        view.Take(new HostId("b"), new WireNodeReport { Sequence = 1, Json = "{}", Vms = { vm } });

        Assert.Empty(view.Names());
    }

    [Fact]
    public void What_a_peer_says_of_a_vm_is_under_the_peers_own_name()
    {
        ClusterView view = Empty();

        view.Take(new HostId("b"), new WireNodeReport { Sequence = 1, Json = "{}", Vms = { "{}", Good } });

        Assert.Equal("b", Assert.Single(view.Of(new VmId("web"))).View.Host);
    }

    private static ClusterView Empty() =>
        new(new HostIdentity(new HostId("a"), new Incarnation(1)), null!, null!, TimeProvider.System);
}
