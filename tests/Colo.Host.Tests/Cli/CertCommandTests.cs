using System.Net;
using Colo.Vmm.Links;

namespace Colo.Host.Tests.Cli;

public sealed class CertCommandTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly string directory = Directory.CreateTempSubdirectory("colo-cert").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public async Task Keys_are_for_their_owner_only()
    {
        var ran = await InitAsync("node-a=127.0.0.1,a.example", "node-b");
        Assert.Equal(0, ran.Code);
        Assert.Equal(
            ["ca.key", "ca.pem", "node-a.key", "node-a.pem", "node-b.key", "node-b.pem"],
            Directory.GetFiles(directory).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        foreach (string key in Directory.GetFiles(directory, "*.key"))
        {
            Assert.True(OperatingSystem.IsWindows() || File.GetUnixFileMode(key) == OwnerOnly, key);
        }
    }

    [Fact]
    public async Task Nothing_is_overwritten()
    {
        await InitAsync("node-a");
        string before = await File.ReadAllTextAsync(PathOf("node-a.pem"));
        var ran = await InitAsync("node-b", "node-a");
        Assert.Equal(3, ran.Code);
        Assert.Contains("node-a.pem exists and is not overwritten", ran.Error, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllTextAsync(PathOf("node-a.pem")));
        Assert.False(File.Exists(PathOf("node-b.pem")));
    }

    [Fact]
    public async Task A_ca_of_another_cluster_or_without_its_key_is_refused()
    {
        await InitAsync("node-a");
        Assert.Equal(3, (await ColoCommand.RunAsync("cert", "init", "--out", directory, "--cluster", "other", "node-b")).Code);
        File.Delete(PathOf("ca.key"));
        Assert.Equal(3, (await InitAsync("node-b")).Code);
        Assert.False(File.Exists(PathOf("node-b.pem")));
    }

    [Theory]
    [InlineData("ca")]
    [InlineData("../up")]
    [InlineData("a=")]
    [InlineData("a=1.2.3.4,")]
    public async Task A_bad_node_is_a_usage_error(string node) => Assert.Equal(2, (await InitAsync(node)).Code);

    [Fact]
    public async Task The_files_of_nodes_made_at_different_times_open_a_link()
    {
        await InitAsync("node-a");
        await InitAsync("node-b");
        var subject = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var taken = new TaskCompletionSource<DataLink>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var listener = new LinkListener(
            new IPEndPoint(IPAddress.Loopback, 0), SecurityOf("node-a"),
            (_, peer) =>
            {
                subject.TrySetResult(peer);
                return (LinkAnswer.Accepted, 0);
            },
            link => taken.TrySetResult(link), _ => { });
        using DataLink client = await LinkConnector.ConnectAsync(
            listener.LocalEndPoint, new LinkOpen(LinkKind.Control, 0, "", 0, "node-b"), SecurityOf("node-b"),
            CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60));
        using DataLink server = await taken.Task.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal("node-b", await subject.Task);
    }

    private LinkSecurity SecurityOf(string node) =>
        LinkSecurity.FromFiles(PathOf(node + ".pem"), PathOf(node + ".key"), PathOf("ca.pem"));

    private string PathOf(string file) => Path.Combine(directory, file);

    private Task<(int Code, string Output, string Error)> InitAsync(params string[] nodes) =>
        ColoCommand.RunAsync(["cert", "init", "--out", directory, "--cluster", "lab", .. nodes]);
}
