using System.Text;
using System.Text.Json;
using Colo.Actors.Protocol;
using Colo.Host.Node;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;

namespace Colo.Host.Tests.Node;

public class ManagementApiTests
{
    [Fact]
    public async Task The_openapi_document_lists_exactly_the_routes()
    {
        await using WebApplication app = WebApplication.CreateSlimBuilder().Build();
        // The routes are only listed here, never called.
        ManagementApi.Map(app, null!, null);
        IEnumerable<string> routes = ((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints)
            .Cast<RouteEndpoint>()
            .SelectMany(endpoint => endpoint.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods
                .Select(method => $"{method} {endpoint.RoutePattern.RawText!.Replace(":long", string.Empty, StringComparison.Ordinal)}"));
        using Stream document = typeof(ManagementApi).Assembly.GetManifestResourceStream("Colo.Host.openapi.json")!;
        using JsonDocument json = await JsonDocument.ParseAsync(document);
        IEnumerable<string> documented = json.RootElement.GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject().Select(method => $"{method.Name.ToUpperInvariant()} {path.Name}"));
        Assert.Equal(routes.Order(StringComparer.Ordinal), documented.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("Vm", typeof(VmView))]
    [InlineData("Gauges", typeof(Colo.Actors.Vm.VmGauges))]
    [InlineData("CheckpointTiming", typeof(Colo.Actors.Vm.CheckpointTiming))]
    [InlineData("CheckpointEntry", typeof(CheckpointEntry))]
    [InlineData("RecentCheckpoints", typeof(RecentCheckpoints))]
    [InlineData("Event", typeof(LoggedEvent))]
    [InlineData("NodeFacts", typeof(Colo.Host.Cluster.NodeFacts))]
    [InlineData("Member", typeof(Colo.Host.Cluster.MemberView))]
    [InlineData("HostFate", typeof(Colo.Host.Cluster.HostFate))]
    [InlineData("VmHostRow", typeof(Colo.Host.Cluster.VmHostRow))]
    [InlineData("VmStatus", typeof(Colo.Host.Cluster.VmStatusView))]
    [InlineData("ClusterStatus", typeof(Colo.Host.Cluster.ClusterStatusView))]
    [InlineData("FailoverReport", typeof(FailoverReport))]
    [InlineData("Command", typeof(CommandRecord))]
    [InlineData("HealthCheck", typeof(HealthCheck))]
    [InlineData("Actor", typeof(ActorView))]
    [InlineData("Tier", typeof(Colo.Actors.Vm.VmTierGauges))]
    [InlineData("TapEntry", typeof(Colo.Actors.Network.TapEntry))]
    [InlineData("Connection", typeof(ConnectionView))]
    [InlineData("Packets", typeof(PacketsView))]
    [InlineData("Verify", typeof(VerifyView))]
    [InlineData("FaultKind", typeof(Colo.Host.Faults.FaultKind))]
    [InlineData("RunningFault", typeof(Colo.Host.Faults.RunningFault))]
    [InlineData("Faults", typeof(Colo.Host.Faults.FaultsView))]
    [InlineData("Drill", typeof(Colo.Host.Faults.DrillReport))]
    [InlineData("Disk", typeof(DiskView))]
    [InlineData("Disks", typeof(VmDisks))]
    [InlineData("TermBand", typeof(TermBand))]
    [InlineData("Timeline", typeof(Timeline))]
    [InlineData("ConfigEntry", typeof(ConfigEntry))]
    [InlineData("Config", typeof(ConfigView))]
    public async Task The_openapi_schema_has_every_member_of_the_answer(string schema, Type answer)
    {
        using Stream document = typeof(ManagementApi).Assembly.GetManifestResourceStream("Colo.Host.openapi.json")!;
        using JsonDocument json = await JsonDocument.ParseAsync(document);
        IEnumerable<string> described = json.RootElement.GetProperty("components").GetProperty("schemas").GetProperty(schema)
            .GetProperty("properties").EnumerateObject().Select(property => property.Name);
        IEnumerable<string> answered = answer.GetProperties(System.Reflection.BindingFlags.Public | System.Reflection.BindingFlags.Instance)
            .Select(property => JsonNamingPolicy.CamelCase.ConvertName(property.Name));
        Assert.Equal(answered.Order(StringComparer.Ordinal), described.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_console_follower_gets_the_tail_and_then_each_output()
    {
        using var console = new SerialConsole();
        console.Write("old "u8);
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var text = new StringBuilder();
        await foreach (byte[] output in console.Follow(stop.Token))
        {
            text.Append(Encoding.ASCII.GetString(output));
            if (text.ToString() == "old new")
            {
                break;
            }

            console.Write("new"u8);
        }

        Assert.Equal("old new", text.ToString());
    }

    [Fact]
    public async Task A_listener_that_was_slow_gets_every_event_that_is_still_kept()
    {
        var log = new EventLog("node-a", TimeProvider.System);
        void Happen() => log.Add("vm", new HostEvent(EventCode.NodeStarted, Term.Zero, Epoch.Zero, string.Empty));
        Happen();
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var heard = new List<long>();
        await foreach (LoggedEvent logged in log.Follow(0, stop.Token))
        {
            heard.Add(logged.Id);
            for (int more = 0; heard.Count == 1 && more < 3000; more++)
            {
                Happen();
            }

            if (logged.Id == 3001)
            {
                break;
            }
        }

        Assert.Equal(Enumerable.Range(1, 3001).Select(id => (long)id), heard);
    }

    [Fact]
    public void A_listener_with_a_number_of_the_nodes_former_life_gets_every_event()
    {
        var log = new EventLog("node-a", TimeProvider.System);
        log.Add("vm", new HostEvent(EventCode.NodeStarted, Term.Zero, Epoch.Zero, "one"));
        log.Add("vm", new HostEvent(EventCode.NodeStarted, Term.Zero, Epoch.Zero, "two"));
        Assert.Equal([2L], log.After(1).Select(logged => logged.Id));
        Assert.Empty(log.After(2));
        Assert.Equal([1L, 2L], log.After(500).Select(logged => logged.Id));
    }
}
