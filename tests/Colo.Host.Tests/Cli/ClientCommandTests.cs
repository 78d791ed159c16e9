using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Colo.Actors.Protocol;
using Colo.Host.Cli;

namespace Colo.Host.Tests.Cli;

public class ClientCommandTests
{
    [Theory]
    [InlineData("Protected", 0, "PROTECTED since")]
    [InlineData("Unprotected", 10, "NOT PROTECTED since")]
    public async Task Only_a_protected_vm_reads_as_protected(string protection, int code, string words)
    {
        await using FakeNode node = await FakeNode.StartAsync();
        node.Vm = FakeNode.View(protection, "Primary");
        var status = await ColoCommand.RunAsync("status", "--url", node.Url);
        Assert.Equal(code, status.Code);
        Assert.StartsWith($"web-1   {words}", status.Output, StringComparison.Ordinal);
        Assert.Contains("matched 75.0 %", status.Output, StringComparison.Ordinal);
        Assert.Contains("p50 6.1 ms   p99 15 ms   last 60 s: 31 checkpoints (Period 27, Mismatch 4)", status.Output, StringComparison.Ordinal);
        Assert.Contains("if node-a died now: ", status.Output, StringComparison.Ordinal);
        Assert.Contains("stale 5.0 s", status.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_has_a_version_at_the_top_whatever_the_command()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        foreach (string line in (string[])
            [
                "status", "status web-1", "vms", "events", "events --follow --limit 1", "top --count 1", "console web-1",
                "wait web-1 --for protected", "checkpoint now web-1", "mode web-1 auto", "explain 6002",
                "status nobody", "describe node-a", "describe 1", "switchover web-1 --dry-run",
            ])
        {
            string[] arguments = [.. line.Split(' '), "--json", .. line.StartsWith("explain", StringComparison.Ordinal) ? Array.Empty<string>() : ["--url", node.Url]];
            var ran = await ColoCommand.RunAsync(arguments);
            JsonElement json = ColoCommand.Json(ran.Output);
            Assert.Equal(1, json.GetProperty("version").GetInt32());
            Assert.Equal(ran.Code == 0, !json.TryGetProperty("error", out _));
        }
    }

    [Theory]
    [InlineData("protect web-1", "protect")]
    [InlineData("unprotect web-1 --yes", "unprotect")]
    [InlineData("switchover web-1", "switchover")]
    [InlineData("checkpoint now web-1", "checkpoint")]
    [InlineData("pause-protection web-1", "pause")]
    [InlineData("resume-protection web-1", "resume")]
    [InlineData("vm start web-1", "start")]
    [InlineData("vm shutdown web-1 --yes", "shutdown")]
    [InlineData("mode web-1 periodic", "mode")]
    [InlineData("failover web-1 --reason fire --yes", "failover")]
    public async Task A_change_shows_the_vm_before_and_after(string line, string verb)
    {
        await using FakeNode node = await FakeNode.StartAsync();
        var ran = await ColoCommand.RunAsync([.. line.Split(' '), "--url", node.Url]);
        Assert.Equal(0, ran.Code);
        Assert.Equal(3, ran.Output.Split("node-a").Length);
        Assert.Contains("done: it is done", ran.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', ran.Output);
        string[] requests = [.. node.Requests];
        Assert.Equal("GET /vms/web-1", requests[0]);
        Assert.StartsWith($"POST /vms/web-1/{verb}?command=", requests[1], StringComparison.Ordinal);
        Assert.Equal("GET /vms/web-1", requests[2]);
    }

    [Theory]
    [InlineData("--token-file", "one\ntwo\n", "one line of printable ASCII")]
    [InlineData("--token-file", "sch\u00f6n", "one line of printable ASCII")]
    [InlineData("--ca", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "a certificate in PEM")]
    public async Task A_file_that_holds_something_else_is_a_usage_error(string option, string text, string expected)
    {
        string file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, text);
        var ran = await ColoCommand.RunAsync("status", option, file, "--url", "https://127.0.0.1:1");
        Assert.Equal(ExitCode.Usage, ran.Code);
        Assert.StartsWith($"colo: {option} {file}: expected {expected}", ran.Error, StringComparison.Ordinal);
        File.Delete(file);
    }

    [Fact]
    public async Task Watching_every_not_a_number_of_seconds_is_a_usage_error()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        var ran = await ColoCommand.RunAsync("status", "-w", "NaN", "--url", node.Url);
        Assert.Equal(ExitCode.Usage, ran.Code);
        Assert.Empty(node.Requests);
    }

    [Theory]
    [InlineData("events --severity loud")]
    [InlineData("wait web-1 --for ever")]
    [InlineData("top --interval never")]
    public async Task A_usage_error_is_json_too_where_json_was_asked_for(string line)
    {
        await using FakeNode node = await FakeNode.StartAsync();
        var ran = await ColoCommand.RunAsync([.. line.Split(' '), "--json", "--url", node.Url]);
        Assert.Equal(ExitCode.Usage, ran.Code);
        JsonElement error = ColoCommand.Json(ran.Output).GetProperty("error");
        Assert.Equal(ExitCode.Usage, error.GetProperty("exitCode").GetInt32());
        Assert.Equal($"colo: {error.GetProperty("text").GetString()}{Environment.NewLine}", ran.Error);
    }

    [Theory]
    [InlineData("logs")]
    [InlineData("console web-1 --no-follow")]
    public async Task A_text_that_breaks_off_is_a_node_that_did_not_answer(string line)
    {
        using var node = new TcpListener(IPAddress.Loopback, 0);
        node.Start();
        Task answering = Task.Run(async () =>
        {
            using TcpClient client = await node.AcceptTcpClientAsync();
            using NetworkStream stream = client.GetStream();
            Assert.NotEqual(0, await stream.ReadAsync(new byte[4096]));
            await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf a li"u8.ToArray());
        });
        var ran = await ColoCommand.RunAsync([.. line.Split(' '), "--url", $"http://{node.LocalEndpoint}"]);
        Assert.Equal(ExitCode.Unreachable, ran.Code);
        Assert.StartsWith(
            $"colo: http://{node.LocalEndpoint}/ broke the connection off", ran.Error, StringComparison.Ordinal);
        await answering;
    }

    [Fact]
    public async Task Failover_sends_its_reason_and_data_loss_only_when_accepted()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        await ColoCommand.RunAsync("failover", "web-1", "--reason", "power & fire", "--yes", "--url", node.Url);
        Assert.Contains(node.Requests, request => request.EndsWith("&reason=power%20%26%20fire", StringComparison.Ordinal));
        await ColoCommand.RunAsync("failover", "web-1", "--reason", "x", "--accept-data-loss", "--yes", "--url", node.Url);
        Assert.Contains(node.Requests, request => request.EndsWith("&reason=x&accept-data-loss=true", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(409, 3)]
    [InlineData(500, 1)]
    [InlineData(504, 6)]
    [InlineData(400, 2)]
    [InlineData(401, 1)]
    public async Task A_problem_is_shown_as_its_detail_and_an_exit_code(int status, int code)
    {
        await using FakeNode node = await FakeNode.StartAsync();
        node.CommandAnswer = (status, "only a protected VM can change hosts; the state is Solo");
        var ran = await ColoCommand.RunAsync("switchover", "web-1", "--url", node.Url);
        Assert.Equal(code, ran.Code);
        Assert.Equal($"colo: {node.CommandAnswer.Text}{Environment.NewLine}", ran.Error);
    }

    [Fact]
    public async Task An_unknown_vm_is_a_failure_with_the_nodes_sentence()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        var ran = await ColoCommand.RunAsync("status", "nobody", "--url", node.Url);
        Assert.Equal(1, ran.Code);
        Assert.Contains("VM 'nobody' is not known on node-a", ran.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("check nobody", 1, "VM 'nobody' is not known")]
    [InlineData("check web-1 --pre /etc/colo/node.conf", 2, "expected no VM with it")]
    [InlineData("events --severity warn", 2, "expected info, warning, error")]
    [InlineData("support bundle --out /nodir/x.zip", 1, "/nodir/x.zip cannot be written")]
    public async Task What_cannot_be_done_is_said_with_an_exit_code(string line, int code, string expected)
    {
        await using FakeNode node = await FakeNode.StartAsync();
        var ran = await ColoCommand.RunAsync([.. line.Split(' '), "--url", node.Url]);
        Assert.Equal(code, ran.Code);
        Assert.Contains(expected, ran.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sign_of_life_in_the_stream_is_no_event()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        var text = await ColoCommand.RunAsync("events", "--follow", "--limit", "1", "--url", node.Url);
        Assert.Equal(0, text.Code);
        Assert.Contains("E6002 TookOver", text.Output, StringComparison.Ordinal);
        var json = await ColoCommand.RunAsync("events", "--follow", "--limit", "1", "--json", "--url", node.Url);
        Assert.Equal(6002, ColoCommand.Json(json.Output).GetProperty("event").GetProperty("code").GetInt32());
    }

    [Theory]
    [InlineData("status")]
    [InlineData("vms")]
    [InlineData("events --follow")]
    [InlineData("protect web-1")]
    [InlineData("console web-1")]
    [InlineData("wait web-1 --for protected --timeout 1ms")]
    public async Task A_node_that_is_away_is_unreachable(string line)
    {
        // A port that nobody listens at and, while it is bound here, nobody else can take.
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        string url = $"http://{taken.LocalEndPoint}";
        var ran = await ColoCommand.RunAsync([.. line.Split(' '), "--url", url]);
        Assert.Equal(5, ran.Code);
        Assert.Contains($"{url}/ cannot be reached", ran.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("failover web-1")]
    [InlineData("status --url nowhere")]
    [InlineData("mode web-1 sometimes")]
    [InlineData("wait web-1 --for ever")]
    [InlineData("wait web-1 --for solo --timeout soon")]
    [InlineData("events --limit 0")]
    [InlineData("explain 1")]
    [InlineData("status --token-file /nonexistent/token")]
    [InlineData("protect")]
    [InlineData("nonsense")]
    public async Task What_makes_no_sense_is_a_usage_error(string line)
    {
        var ran = await ColoCommand.RunAsync(line.Split(' '));
        Assert.Equal(2, ran.Code);
        Assert.StartsWith("colo: ", ran.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Waiting_ends_at_its_limit_with_the_state_as_it_is()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        node.Vm = FakeNode.View("Protecting", "Solo");
        var ran = await ColoCommand.RunAsync("wait", "web-1", "--for", "protected", "--timeout", "1ms", "--url", node.Url);
        Assert.Equal(4, ran.Code);
        Assert.Contains("web-1 is not protected after 0.001 s: Protecting", ran.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Followed_events_go_on_after_the_last_one_seen_when_the_stream_ends()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        var ran = await ColoCommand.RunAsync("events", "--follow", "--after", "41", "--limit", "2", "--url", node.Url);
        Assert.Equal(0, ran.Code);
        Assert.Equal(["41", "42"], node.LastEventIds);
        Assert.Contains("E6002 TookOver web-1 term 8 epoch 9: the peer is lost", ran.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Events_can_be_chosen_by_vm_and_code()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        Assert.NotEmpty((await ColoCommand.RunAsync("events", "--code", "6002", "--vm", "web-1", "--url", node.Url)).Output);
        Assert.Empty((await ColoCommand.RunAsync("events", "--code", "6003", "--url", node.Url)).Output);
        Assert.Empty((await ColoCommand.RunAsync("events", "--vm", "db-1", "--url", node.Url)).Output);
    }

    [Fact]
    public async Task The_console_prints_what_is_kept()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        var ran = await ColoCommand.RunAsync("console", "web-1", "--no-follow", "--url", node.Url);
        Assert.Equal("Debian login: ", ran.Output);
    }

    [Fact]
    public async Task The_token_of_the_file_is_sent()
    {
        await using FakeNode node = await FakeNode.StartAsync();
        string path = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(path, "s3cret\n");
            await ColoCommand.RunAsync("vms", "--token-file", path, "--url", node.Url);
            Assert.Equal("Bearer s3cret", Assert.Single(node.Authorizations));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task Every_event_code_can_be_explained_by_number_and_name()
    {
        Dictionary<string, string> names = ExplainCommand.Entries().ToDictionary(entry => entry[0], entry => entry[1]);
        foreach (EventCode code in Enum.GetValues<EventCode>())
        {
            Assert.Equal(code.ToString(), names[$"{(int)code}"]);
        }

        Assert.Contains("PeerLost", (await ColoCommand.RunAsync("explain", "E2001")).Output, StringComparison.Ordinal);
        Assert.Contains("E2001", (await ColoCommand.RunAsync("explain", "peerlost")).Output, StringComparison.Ordinal);
    }
}
