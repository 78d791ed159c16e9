using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Colo.Vmm.Qmp;

namespace Colo.Vmm.Tests.Qmp;

/// <summary>The server around the conversations: it outlives each of them.</summary>
public sealed class QmpServerTests : IDisposable
{
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-qmp").FullName;
    private readonly HeldTime _time = new();
    private readonly QmpServer _server;

    public QmpServerTests()
    {
        var commands = new QmpCommandTable();
        commands.Add("now", () => QmpReply.Done);
        commands.Add(new QmpCommand("fail", _ => throw new UnauthorizedAccessException("no entry"))
        {
            OutOfBand = true,
        });
        commands.Add("fail-later", () => new QmpReply.Success(
            new JsonObject(), () => throw new UnauthorizedAccessException("no entry")));
        _server = new QmpServer(Path.Combine(_folder, "qmp"), commands, _time);
    }

    public void Dispose()
    {
        _time.GoOn.Set();
        _server.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("execute")]
    [InlineData("exec-oob")]
    public void A_command_that_throws_is_answered_and_so_is_the_next(string member)
    {
        using (var client = new Client(_folder))
        {
            JsonElement answer = client.Say($$$"""{"{{{member}}}": "fail", "id": {"a": 1, "a": 2}}""");
            Assert.Equal("GenericError", answer.GetProperty("error").GetProperty("class").GetString());
            Assert.Contains("UnauthorizedAccessException: no entry",
                answer.GetProperty("error").GetProperty("desc").GetString());
            Assert.Equal("""{"a":1,"a":2}""", answer.GetProperty("id").GetRawText());
            Assert.True(client.Say("""{"execute": "now"}""").TryGetProperty("return", out _));
        }

        using var next = new Client(_folder);
        Assert.True(next.Say("""{"execute": "now"}""").TryGetProperty("return", out _));
    }

    [Fact]
    public void What_throws_behind_an_answer_ends_that_conversation_only()
    {
        using (var client = new Client(_folder))
        {
            Assert.True(client.Say("""{"execute": "fail-later"}""").TryGetProperty("return", out _));
            Assert.Null(client.ReadLine());
        }

        using var next = new Client(_folder);
        Assert.True(next.Say("""{"execute": "now"}""").TryGetProperty("return", out _));
    }

    /// <summary>The thread of an event is the machine's; an exception there would be the guest's panic.</summary>
    [Fact]
    public void An_event_that_straddles_the_end_of_its_client_is_dropped()
    {
        Exception? thrown = null;
        var client = new Client(_folder);
        var machine = new Thread(() => thrown = Record.Exception(() => _server.SendEvent("RESET")));
        _time.Hold();
        machine.Start();
        Assert.True(_time.IsAsked.Wait(Hang));
        client.Dispose();
        // Who is greeted knows that the former client's conversation is over.
        using var next = new Client(_folder);
        _time.GoOn.Set();
        Assert.True(machine.Join(Hang));
        Assert.Null(thrown);
    }

    /// <summary>A client that has negotiated.</summary>
    private sealed class Client : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        private readonly StreamReader _reader;

        public Client(string folder)
        {
            _socket.ReceiveTimeout = (int)Hang.TotalMilliseconds;
            _socket.Connect(new UnixDomainSocketEndPoint(Path.Combine(folder, "qmp")));
            _reader = new StreamReader(new NetworkStream(_socket));
            Assert.Contains("QMP", ReadLine());
            Say("""{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}""");
        }

        public string? ReadLine() => _reader.ReadLine();

        public JsonElement Say(string command)
        {
            _socket.Send(Encoding.UTF8.GetBytes(command));
            return JsonDocument.Parse(ReadLine()!).RootElement;
        }

        public void Dispose()
        {
            _reader.Dispose();
            _socket.Dispose();
        }
    }

    /// <summary>The system's time; who asks for it while it is held waits.</summary>
    private sealed class HeldTime : TimeProvider
    {
        private volatile bool _isHeld;

        public ManualResetEventSlim IsAsked { get; } = new();

        public ManualResetEventSlim GoOn { get; } = new();

        public void Hold() => _isHeld = true;

        public override DateTimeOffset GetUtcNow()
        {
            if (_isHeld)
            {
                IsAsked.Set();
                Assert.True(GoOn.Wait(Hang));
            }

            return base.GetUtcNow();
        }
    }
}
