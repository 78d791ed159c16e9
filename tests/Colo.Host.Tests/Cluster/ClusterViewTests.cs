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

    [Fact]
    public void A_vm_that_a_peer_has_not_spoken_of_for_long_is_forgotten_unless_the_peer_is_silent()
    {
        var time = new HandTime();
        ClusterView view = Empty(time);
        view.Take(new HostId("b"), new WireNodeReport { Sequence = 1, Json = "{}", Vms = { Good } });
        view.Take(new HostId("c"), new WireNodeReport { Sequence = 1, Json = "{}", Vms = { Good } });
        time.Pass(TimeSpan.FromHours(1));

        view.Take(new HostId("b"), new WireNodeReport { Sequence = 2, Json = "{}" });

        Assert.Equal("c", Assert.Single(view.Of(new VmId("web"))).View.Host);
    }

    private static ClusterView Empty(TimeProvider? time = null) =>
        new(new HostIdentity(new HostId("a"), new Incarnation(1)), null!, null!, time ?? TimeProvider.System);

    private sealed class HandTime : TimeProvider
    {
        private long now = 1;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Pass(TimeSpan by) => now += by.Ticks;

        public override long GetTimestamp() => now;
    }
}
