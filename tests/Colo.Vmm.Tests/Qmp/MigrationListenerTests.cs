using System.Net;
using System.Net.Sockets;
using System.Text;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Machine;
using Colo.Vmm.Net.Backends;
using Colo.Vmm.Qmp.Replication;
using Colo.Vmm.Tests.Block;
using Colo.Vmm.Tests.Machine;

namespace Colo.Vmm.Tests.Qmp;

/// <summary>Strangers on the port of an incoming migration. The clock stands unless a test moves it.</summary>
public sealed class MigrationListenerTests : IDisposable
{
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);
    private readonly VirtMachine _machine = TestMachine.New(TestMachine.Options);
    private readonly ManualTime _time = new();
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly List<IDisposable> _open = [];
    private int _refused;

    public MigrationListenerTests()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(64);
    }

    public void Dispose()
    {
        _open.ForEach(one => one.Dispose());
        _listener.Dispose();
        _machine.Dispose();
    }

    [Fact]
    public async Task Neither_a_reset_nor_nonsense_nor_silence_keeps_the_source_out()
    {
        Socket reset = Connect("C");
        reset.LingerState = new LingerOption(true, 0);
        reset.Dispose();
        Connect("GET / HTTP/1.1");
        Connect("COLOMIGX");
        Socket silent = Connect("");
        Socket half = Connect("COLOM");
        await MigrateAsync(isColo: true);
        Assert.Equal(3, _refused);
        Assert.Equal(0, silent.Receive(new byte[1]));
        Assert.Equal(0, half.Receive(new byte[1]));
    }

    [Fact]
    public async Task A_crowd_that_says_nothing_does_not_keep_the_source_out()
    {
        for (int i = 0; i < 40; i++)
        {
            Connect("");
        }

        await MigrateAsync(isColo: false);
        Assert.True(_refused > 0, "nobody was refused");
    }

    [Fact]
    public async Task Who_does_not_say_what_it_is_in_time_is_closed()
    {
        Task<bool> accepting = AcceptAsync();
        Socket stranger = Connect("COL");
        var limit = System.Diagnostics.Stopwatch.StartNew();
        while (!stranger.Poll(TimeSpan.FromMilliseconds(20), SelectMode.SelectRead))
        {
            Assert.True(limit.Elapsed < Hang, "the stranger was not closed");
            _time.Advance(MigrationListener.PreambleLimit);
        }

        Assert.Equal(0, stranger.Receive(new byte[1]));
        Dial(isColo: false);
        Assert.False(await accepting.WaitAsync(Hang));
        Assert.Equal(1, _refused);
    }

    [Fact]
    public async Task A_source_that_broke_off_after_its_first_connection_can_try_again()
    {
        Connect("COLOMIGR").Dispose();
        await MigrateAsync(isColo: false);
    }

    [Fact]
    public async Task The_end_of_the_listener_ends_the_wait()
    {
        Task<bool> accepting = AcceptAsync();
        Connect("COL");
        _listener.Dispose();
        Exception thrown = await Record.ExceptionAsync(() => accepting.WaitAsync(Hang));
        Assert.True(thrown is ObjectDisposedException or SocketException, thrown?.ToString());
    }

    private Socket Connect(string text)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            ReceiveTimeout = (int)Hang.TotalMilliseconds,
        };
        _open.Add(socket);
        socket.Connect(_listener.LocalEndPoint!);
        socket.Send(Encoding.ASCII.GetBytes(text));
        return socket;
    }

    private async Task MigrateAsync(bool isColo)
    {
        Task<bool> accepting = AcceptAsync();
        Dial(isColo);
        Assert.Equal(isColo, await accepting.WaitAsync(Hang));
    }

    private Task<bool> AcceptAsync() => Task.Run(() =>
    {
        var listener = new MigrationListener(_listener, _time, () => _refused++);
        using CheckpointLink link = MigrationLink.Accept(listener, _machine.Ram, _ => { }, out bool isColo);
        return isColo;
    });

    /// <summary>Returns when both ends have agreed.</summary>
    private void Dial(bool isColo)
    {
        var peer = new StreamEndpoint(null, "127.0.0.1", ((IPEndPoint)_listener.LocalEndPoint!).Port);
        using CheckpointLink link = MigrationLink.Connect(peer, isColo, _machine.Ram, _ => { });
    }
}
