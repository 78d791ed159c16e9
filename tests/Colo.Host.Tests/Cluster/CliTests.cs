using System.IO.Compression;
using System.Text.Json;
using Colo.Actors.Protocol;
using Colo.Host.Tests.Cli;

namespace Colo.Host.Tests.Cluster;

/// <summary>The operator's commands against real nodes.</summary>
public sealed class CliTests
{
    [Fact]
    public async Task Every_reading_command_prints_text_json_and_yaml()
    {
        await using var cluster = new LoopbackCluster(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("/status", page => page.GetProperty("vms")[0].GetProperty("word").GetString() == "PROTECTED"
            && page.GetProperty("members").EnumerateArray()
                .All(member => member.GetProperty("facts").ValueKind == JsonValueKind.Object));
        Assert.Equal(0, (await RunAsync(a, "switchover web")).Code);
        await a.WhenAsync("web", EventCode.SwitchoverDone);
        await a.WhenAsync("/status", page => page.GetProperty("vms")[0].GetProperty("word").GetString() == "PROTECTED");
        foreach ((string line, string expected) in (IEnumerable<(string, string)>)
        [
            ("status", "web     PROTECTED"), ("status web", "automatic role change: on"), ("vms", "web"),
            ("topology", "node-b [host] Up"),
            ("describe web", "memory"), ("describe node-b", "node-b"), ("describe 1", "NodeStarted"),
            ("history", "switchover"),
            ("history show 1", "roles of web were exchanged"), ("checkpoint list web", "Switchover"),
            ("actors", "/user/node/vm-web/protocol"),
            ("check", "√ ok"), ("config show", "colo.node.name"), ("config show --all", "reference.conf"),
            ("disk show web", "web on node-a"),
            ("logs", "control link"), ("events --severity info --since 1h", "E6010"),
        ])
        {
            var table = await RunAsync(a, line);
            Assert.True(table.Code is 0 or 10, $"{line}: {table.Code} {table.Error}");
            if (line != "logs")
            {
                Assert.Contains(expected, table.Output, StringComparison.Ordinal);
            }

            Assert.DoesNotContain('\u001b', table.Output);
            JsonElement json = ColoCommand.Json((await RunAsync(a, line + " -o json")).Output);
            Assert.True(json.TryGetProperty("version", out _) || json.TryGetProperty("what", out _), $"{line}: {json}");
            Assert.StartsWith("---\n", (await RunAsync(a, line + " -o yaml")).Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_vm_is_created_placed_and_deleted_from_the_command_line()
    {
        await using var cluster = new LoopbackCluster(["node-a", "node-b"]);
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync(
            "/cluster/members", page =>
            page.GetProperty("members").EnumerateArray()
            .All(member => member.GetProperty("facts").ValueKind == JsonValueKind.Object));
        string file = Path.Combine(cluster.StateOf("node-a"), "web.conf");
        await File.WriteAllTextAsync(file, "memory = 16MiB\nharts = 99\n");
        var wrong = await RunAsync(a, $"vm create web --file {file}");
        Assert.Equal(2, wrong.Code);
        Assert.Contains(
            "definition:2: colo.vms.web.harts is 99, expected 1 to 8", wrong.Error, StringComparison.Ordinal);
        Assert.Contains("has neither guest nor kernel", wrong.Error, StringComparison.Ordinal);

        await File.WriteAllTextAsync(file, $"kernel = \"{cluster.Kernel}\"\nmemory = 16MiB\n");
        Assert.Contains(
            "nothing has changed", (await RunAsync(a, $"vm create web --file {file} --dry-run")).Output,
            StringComparison.Ordinal);
        var created = await RunAsync(a, $"vm create web --file {file}");
        Assert.True(created.Code == 0, created.Error);
        Assert.Contains("done: on node-", created.Output, StringComparison.Ordinal);
        Assert.Equal(
            0, (await RunAsync(a, "wait web --for protected")).Code is 0
            ? 0 : (await RunAsync(cluster["node-b"], "wait web --for protected")).Code);
        var again = await RunAsync(a, $"vm create web --file {file}");
        Assert.Equal(3, again.Code);
        Assert.Contains("already", again.Error, StringComparison.Ordinal);
        Assert.Equal(3, (await RunAsync(a, "vm delete web --yes")).Code);
        Assert.Equal(0, (await RunAsync(a, "host drain node-b")).Code);
        Assert.Equal(0, (await RunAsync(a, "host undrain node-b")).Code);
        Assert.Equal(1, (await RunAsync(a, "host drain nobody")).Code);
    }

    [Fact]
    public async Task A_support_bundle_has_every_part_and_no_secret()
    {
        await using var cluster = new LoopbackCluster(["node-a"], LoopbackCluster.Vm("web", "node-a"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        string path = Path.Combine(cluster.StateOf("node-a"), "bundle.zip");
        Assert.Equal(0, (await RunAsync(a, $"support bundle --out {path}")).Code);
        using (ZipArchive zip = ZipFile.OpenRead(path))
        {
            Assert.Contains("status.json", zip.Entries.Select(entry => entry.FullName));
            Assert.Contains("metrics.txt", zip.Entries.Select(entry => entry.FullName));
            Assert.All(zip.Entries, entry => Assert.True(entry.Length > 0, entry.FullName));
        }

        Assert.Equal(3, (await RunAsync(a, $"support bundle --out {path}")).Code);
    }

    [Fact]
    public async Task A_node_file_is_validated_and_compared_without_starting_it()
    {
        await using var cluster = new LoopbackCluster(["node-a"]);
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        string file = cluster.StateOf("node-a") + ".conf";
        Assert.Equal(0, (await ColoCommand.RunAsync("config", "validate", file)).Code);
        Assert.Contains("no difference", (await RunAsync(a, $"config diff {file}")).Output, StringComparison.Ordinal);
        string changed = file + ".new";
        await File.WriteAllTextAsync(
            changed,
            (await File.ReadAllTextAsync(file))
            .Replace("lost-after = 30s", "lost-after = 40s, tresh = 3", StringComparison.Ordinal));
        var invalid = await ColoCommand.RunAsync("config", "validate", changed);
        Assert.Equal(1, invalid.Code);
        Assert.Contains("colo.heartbeat.tresh is not a key of Colo", invalid.Output, StringComparison.Ordinal);
        await File.WriteAllTextAsync(
            changed,
            (await File.ReadAllTextAsync(changed)).Replace(", tresh = 3", string.Empty, StringComparison.Ordinal));
        Assert.Contains(
            "~ colo.heartbeat.lost-after = 30s -> 40s", (await RunAsync(a, $"config diff {changed}")).Output,
            StringComparison.Ordinal);
        Assert.Equal(1, (await RunAsync(a, $"check --pre {file}")).Code); // its ports are taken by the node itself
    }

    private static Task<(int Code, string Output, string Error)> RunAsync(LoopbackNode node, string line) =>
        ColoCommand.RunAsync([.. line.Split(' '), "--url", node.Url]);
}
