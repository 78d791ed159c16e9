using System.Net;
using System.Net.Sockets;
using Colo.Host.Cli;

namespace Colo.Host.Tests.Cli;

public sealed class NodeCommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("colo-node-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task A_node_whose_address_is_taken_says_so_in_a_line()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        await FailsAsync(other.LocalEndpoint, 0, $"Address already in use: {other.LocalEndpoint}");
    }

    [Fact]
    public async Task A_node_whose_management_address_is_taken_says_so_in_a_line()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var taken = (IPEndPoint)other.LocalEndpoint;
        await FailsAsync(new IPEndPoint(IPAddress.Loopback, 0), taken.Port, $"{taken}");
    }

    [Fact]
    public async Task A_node_whose_records_are_damaged_says_so_in_a_line()
    {
        string records = Path.Combine(folder, "state", "records");
        Directory.CreateDirectory(records);
        await File.WriteAllTextAsync(Path.Combine(records, "web.record"), "half a rec");
        await FailsAsync(new IPEndPoint(IPAddress.Loopback, 0), 0, "web.record is not an undamaged record");
    }

    [Fact]
    public void A_service_manager_that_is_gone_does_not_end_the_node()
    {
        Assert.NotNull(SystemdNotify.Tell(Path.Combine(folder, "nobody")));
        Assert.NotNull(SystemdNotify.Tell("/" + new string('x', 200)));
    }

    private async Task FailsAsync(EndPoint listen, int management, string why)
    {
        string file = Path.Combine(folder, "node.conf");
        await File.WriteAllTextAsync(file, $$"""
            colo {
              node { name = node-a, listen = ["{{listen}}"], state-directory = "{{folder}}/state" }
              management.port = {{management}}
              arbiter.kind = none
            }
            """);
        var ran = await ColoCommand.RunAsync("node", "--config", file);
        Assert.Equal(ExitCode.Failed, ran.Code);
        string line = Assert.Single(ran.Error.Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("colo: the node cannot start: ", line, StringComparison.Ordinal);
        Assert.Contains(why, line, StringComparison.Ordinal);
    }
}
