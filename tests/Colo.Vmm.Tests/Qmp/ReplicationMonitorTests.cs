using System.Net.Sockets;
using System.Text.Json;
using Colo.Vmm.Machine;
using Colo.Vmm.Qmp;
using Colo.Vmm.Qmp.Parts;
using Colo.Vmm.Qmp.Replication;
using Colo.Vmm.Tests.Machine;

namespace Colo.Vmm.Tests.Qmp;

/// <summary>What the migration's commands say to what they cannot do.</summary>
public sealed class ReplicationMonitorTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-migrate").FullName;
    private readonly VirtMachine _machine = TestMachine.New(TestMachine.Options, TestMachine.LoopForEver);
    private readonly MachineParts _parts = new(TimeProvider.System);
    private readonly List<IDisposable> _monitors = [];

    public void Dispose()
    {
        _monitors.ForEach(monitor => monitor.Dispose());
        _parts.Dispose();
        _machine.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("unix:", 120, "", "the path has 120 bytes, expected 1 to 107")]
    [InlineData("tcp:", 300, ":1", "the host has 300 characters, expected 1 to 253")]
    public void An_address_that_is_too_long_is_refused_and_another_one_taken(
        string scheme, int count, string port, string expected)
    {
        string uri = scheme + new string('a', count) + port;
        QmpCommandTable commands = Commands("defer");
        Assert.Contains($"'{uri}': {expected}", Refused(commands, "migrate-incoming", $$"""{"uri": "{{uri}}"}"""));
        Done(commands, "migrate-incoming", $$"""{"uri": "unix:{{_folder}}/in"}""");
        Assert.Contains($"'{uri}': {expected}", Refused(Commands(null), "migrate", $$"""{"uri": "{{uri}}"}"""));
    }

    /// <summary>The first one to connect says nothing, for as long as the test lasts.</summary>
    [Fact]
    public void A_silent_stranger_does_not_keep_a_migration_out()
    {
        using VirtMachine source = TestMachine.New(TestMachine.Options, TestMachine.LoopForEver);
        source.Start();
        QmpCommandTable here = Commands($"unix:{_folder}/in");
        using var stranger = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        stranger.Connect(new UnixDomainSocketEndPoint(Path.Combine(_folder, "in")));
        stranger.Send("GET /"u8);
        using var silent = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        silent.Connect(new UnixDomainSocketEndPoint(Path.Combine(_folder, "in")));
        QmpCommandTable there = Commands(null, source);
        Done(there, "migrate", $$"""{"uri": "unix:{{_folder}}/in"}""");
        WaitForEnd(there);
        WaitForEnd(here);
        var shown = Assert.IsType<QmpReply.Success>(Say(here, "query-migrate", "{}")).Value;
        Assert.Equal(1, (long)shown["x-strangers"]!);
        Assert.True(_machine.IsRunning);
    }

    private static void WaitForEnd(QmpCommandTable commands)
    {
        string shown = "";
        bool isOver = SpinWait.SpinUntil(
            () =>
            {
                shown = Assert.IsType<QmpReply.Success>(Say(commands, "query-migrate", "{}")).Value.ToJsonString();
                return shown.Contains("completed", StringComparison.Ordinal)
                    || shown.Contains("failed", StringComparison.Ordinal);
            },
            PartsRig.Hang);
        Assert.True(isOver && shown.Contains("completed", StringComparison.Ordinal), $"query-migrate says {shown}");
    }

    [Fact]
    public void Yank_refuses_a_member_that_stands_there_twice()
    {
        _parts.AddChardev($"socket,id=red0,path={_folder}/red0,server=on,wait=off");
        const string twice = """{"type":"chardev","id":"red0","id":"red0"}""";
        string error = Refused(Commands(null), "yank", $$"""{"instances": [{{twice}}]}""");
        Assert.Equal($"Instance {twice} has a member twice, expected one as query-yank shows it", error);
        Done(Commands(null), "yank", """{"instances": [{"id": "red0", "type": "chardev"}]}""");
    }

    private QmpCommandTable Commands(string? incoming, VirtMachine? machine = null)
    {
        var commands = new QmpCommandTable();
        var monitor = new ReplicationMonitor(
            machine ?? _machine, incoming, machine is null ? _parts : null);
        _monitors.Add(monitor);
        monitor.AddCommands(commands);
        return commands;
    }

    private static QmpReply Say(QmpCommandTable commands, string name, string arguments) =>
        commands.Find(name)!.Handler(JsonDocument.Parse(arguments).RootElement);

    private static string Refused(QmpCommandTable commands, string name, string arguments)
    {
        var failure = Assert.IsType<QmpReply.Failure>(Say(commands, name, arguments));
        Assert.Equal(QmpErrorClass.GenericError, failure.Class);
        return failure.Description;
    }

    private static void Done(QmpCommandTable commands, string name, string arguments) =>
        Assert.IsType<QmpReply.Success>(Say(commands, name, arguments));
}
