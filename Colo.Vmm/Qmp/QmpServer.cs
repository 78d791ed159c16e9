using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Colo.Vmm.Qmp;

/// <summary>
/// Serves the QEMU machine protocol on a Unix socket, one client at a time; a second one waits in the socket's queue.
/// Each connection starts a new session. Commands are executed one by one beside the reading, so that what comes out of
/// band is answered while one of them waits; eight at most are taken ahead, as by QEMU. A client that does not read
/// what it asked for is disconnected when <see cref="OutputMax"/> messages wait for it. Whatever goes wrong in a talk
/// ends that talk; the next client is greeted.
/// </summary>
public sealed class QmpServer : IDisposable
{
    private const int OutputMax = 1024;
    private const int InBandMax = 8;
    private static readonly TimeSpan AcceptAgain = TimeSpan.FromMilliseconds(100);
    private readonly string _path;
    private readonly QmpCommandTable _commands;
    private readonly TimeProvider _timeProvider;
    private readonly Socket _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _serving;
    private volatile QmpSession? _session;

    /// <exception cref="IOException">The socket cannot be created.</exception>
    public QmpServer(string path, QmpCommandTable commands, TimeProvider timeProvider)
    {
        _path = path;
        _commands = commands;
        _timeProvider = timeProvider;
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            File.Delete(path);
            _listener.Bind(new UnixDomainSocketEndPoint(path));
            _listener.Listen(4);
        }
        catch (Exception e) when (e is SocketException or UnauthorizedAccessException or ArgumentException)
        {
            _listener.Dispose();
            throw new IOException($"monitor socket {path}: {e.Message}", e);
        }

        _serving = Task.Run(ServeAsync);
    }

    /// <summary>Sends an event to the client, if there is one. Any thread; never blocks.</summary>
    public void SendEvent(string name, JsonObject? data = null) => _session?.SendEvent(name, data);

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
        // Lets a last answer (to quit) leave; a client that does not read cannot hold the process.
        _serving.Wait(TimeSpan.FromSeconds(2));
        _stop.Dispose();
        File.Delete(_path);
    }

    private async Task ServeAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                using Socket client = await AcceptAsync().ConfigureAwait(false);
                await TalkAsync(client).ConfigureAwait(false);
            }
            catch (Exception)
            {
                // Outermost of the talk: mostly the client went away, or we do, and the loop's condition tells which.
                // Nothing else may keep the next client out either; this one sees its connection end.
            }
        }
    }

    private async Task<Socket> AcceptAsync()
    {
        while (true)
        {
            try
            {
                return await _listener.AcceptAsync(_stop.Token).ConfigureAwait(false);
            }
            catch (SocketException)
            {
                // The process has no descriptor left, for example; that passes.
                await Task.Delay(AcceptAgain, _timeProvider, _stop.Token).ConfigureAwait(false);
            }
        }
    }

    private async Task TalkAsync(Socket client)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        var output = Channel.CreateBounded<byte[]>(OutputMax);
        Task writing = WriteAsync(client, output.Reader);
        using var commands = new BlockingCollection<Action>(InBandMax);
        Task executing = Task.Factory.StartNew(
            () => Execute(commands, over), CancellationToken.None, TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        var session = new QmpSession(
            _commands, _timeProvider,
            line =>
            {
                if (!output.Writer.TryWrite(line))
                {
                    End(over);
                }
            },
            command => commands.Add(command, over.Token));
        _session = session;
        session.Greet();
        var buffer = new byte[4096];
        try
        {
            int got;
            while ((got = await client.ReceiveAsync(buffer, over.Token).ConfigureAwait(false)) > 0)
            {
                session.Feed(buffer.AsSpan(0, got));
            }
        }
        finally
        {
            _session = null;
            commands.CompleteAdding();
            await executing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            output.Writer.TryComplete();
            await Task.WhenAny(writing, Task.Delay(TimeSpan.FromSeconds(1), _timeProvider, CancellationToken.None))
                .ConfigureAwait(false);
        }
    }

    /// <summary>Ends the talk when a command does not come back, so that nobody waits for room behind it.</summary>
    private static void Execute(BlockingCollection<Action> commands, CancellationTokenSource over)
    {
        bool isWhole = false;
        try
        {
            foreach (Action command in commands.GetConsumingEnumerable())
            {
                command();
            }

            isWhole = true;
        }
        finally
        {
            if (!isWhole)
            {
                over.Cancel();
            }
        }
    }

    /// <summary>On the thread of an answer or an event, which may be the machine's: nothing comes out of
    /// here.</summary>
    private static void End(CancellationTokenSource over)
    {
        try
        {
            over.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // An event that had found its client, whose talk has ended meanwhile.
        }
    }

    private static async Task WriteAsync(Socket client, ChannelReader<byte[]> lines)
    {
        try
        {
            await foreach (byte[] line in lines.ReadAllAsync().ConfigureAwait(false))
            {
                for (int sent = 0; sent < line.Length;)
                {
                    sent += await client.SendAsync(line.AsMemory(sent)).ConfigureAwait(false);
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The reading side notices the same and ends the session.
        }
    }
}
