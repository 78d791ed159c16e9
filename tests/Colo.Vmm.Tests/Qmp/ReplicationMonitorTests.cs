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

    [Fact]
    public void Yank_refuses_a_member_that_stands_there_twice()
    {
        _parts.AddChardev($"socket,id=red0,path={_folder}/red0,server=on,wait=off");
        const string twice = """{"type":"chardev","id":"red0","id":"red0"}""";
        string error = Refused(Commands(null), "yank", $$"""{"instances": [{{twice}}]}""");
        Assert.Equal($"Instance {twice} has a member twice, expected one as query-yank shows it", error);
        Done(Commands(null), "yank", """{"instances": [{"id": "red0", "type": "chardev"}]}""");
    }

    private QmpCommandTable Commands(string? incoming)
    {
        var commands = new QmpCommandTable();
        var monitor = new ReplicationMonitor(_machine, incoming, _parts);
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
