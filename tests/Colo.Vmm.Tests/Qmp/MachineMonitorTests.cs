using System.Net.Sockets;
using System.Text.Json;
using Colo.Vmm.Machine;
using Colo.Vmm.Qmp;
using Colo.Vmm.Tests.Machine;

namespace Colo.Vmm.Tests.Qmp;

/// <summary>A conversation over the socket with a machine behind it.</summary>
public sealed class MachineMonitorTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-qmp").FullName;
    private readonly VirtMachine _machine = TestMachine.New(TestMachine.Options, TestMachine.LoopForEver);
    private readonly MachineMonitor _monitor;
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly StreamReader _reader;
    private readonly List<string> _events = [];
    private readonly ManualResetEventSlim _goOn = new();

    public MachineMonitorTests()
    {
        string path = Path.Combine(_folder, "qmp");
        _monitor = new MachineMonitor(_machine, path, null, null, table =>
        {
            table.Add("x-own", () => QmpReply.Done);
            table.Add("x-wait", () =>
            {
                Assert.True(_goOn.Wait(TimeSpan.FromMinutes(2)));
                return QmpReply.Done;
            });
            table.Add(new QmpCommand("x-go-on", _ =>
            {
                _goOn.Set();
                return QmpReply.Done;
            }) { OutOfBand = true });
        });
        _socket.ReceiveTimeout = 30_000;
        _socket.Connect(new UnixDomainSocketEndPoint(path));
        _reader = new StreamReader(new NetworkStream(_socket));
        Assert.True(JsonDocument.Parse(_reader.ReadLine()!).RootElement.TryGetProperty("QMP", out _));
        _socket.Send("""{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}"""u8);
        Assert.Contains("return", _reader.ReadLine());
    }

    public void Dispose()
    {
        _goOn.Set();
        _reader.Dispose();
        _socket.Dispose();
        _monitor.Dispose();
        _machine.Dispose();
        _goOn.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private JsonElement Say(string command)
    {
        _socket.Send(JsonSerializer.SerializeToUtf8Bytes(new { execute = command }));
        while (true)
        {
            JsonElement message = JsonDocument.Parse(_reader.ReadLine()!).RootElement;
            if (message.TryGetProperty("event", out JsonElement name))
            {
                _events.Add(name.GetString()!);
                continue;
            }

            return message.GetProperty("return");
        }
    }

    [Fact]
    public void Machine_is_stopped_continued_reset_and_ended()
    {
        Assert.Equal("prelaunch", Say("query-status").GetProperty("status").GetString());
        _machine.Start();
        Assert.Equal("running", Say("query-status").GetProperty("status").GetString());
        Say("stop");
        Assert.False(_machine.IsRunning);
        Assert.Equal("paused", Say("query-status").GetProperty("status").GetString());
        Say("cont");
        Assert.True(_machine.IsRunning);
        Say("system_reset");
        Say("system_powerdown");
        Say("quit");
        while (_events[^1] != "SHUTDOWN")
        {
            _events.Add(JsonDocument.Parse(_reader.ReadLine()!).RootElement.GetProperty("event").GetString()!);
        }

        Assert.Equal(["STOP", "RESUME", "RESET", "POWERDOWN", "SHUTDOWN"], _events);
        Assert.True(_machine.Completion.IsCompleted);
    }

    [Fact]
    public void Commands_and_disks_are_listed_own_ones_too()
    {
        string[] names = [.. Say("query-commands").EnumerateArray().Select(c => c.GetProperty("name").GetString()!)];
        string[] expected =
        [
            "qmp_capabilities", "query-version", "query-status", "stop", "cont", "system_reset", "system_powerdown", "quit",
            "query-commands", "query-block", "x-own",
        ];
        Assert.Empty(expected.Except(names));
        Say("x-own");
        JsonElement disk = Assert.Single(Say("query-block").EnumerateArray());
        Assert.Equal(1 << 20, disk.GetProperty("inserted").GetProperty("image").GetProperty("virtual-size").GetInt64());
        Assert.Equal(10, Say("query-version").GetProperty("qemu").GetProperty("major").GetInt32());
    }

    [Fact]
    public void Out_of_band_command_is_answered_while_another_one_waits()
    {
        _socket.Send("""{"execute": "x-wait", "id": 1} {"exec-oob": "x-go-on", "id": 2}"""u8);
        int[] ids = [.. Enumerable.Range(0, 2).Select(_ => JsonDocument.Parse(_reader.ReadLine()!).RootElement
            .GetProperty("id").GetInt32())];
        Assert.Equal([1, 2], ids.Order());
    }
}
