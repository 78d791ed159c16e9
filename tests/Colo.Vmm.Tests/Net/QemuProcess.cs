using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Colo.Vmm.Tests.Net;

/// <summary>A QEMU without a machine whose sockets are Unix sockets in a directory of its own; it is ended by its
/// id.</summary>
internal sealed class QemuProcess : IDisposable
{
    private const string Program = "qemu-system-x86_64";
    private readonly string directory = Directory.CreateTempSubdirectory("colo-qemu-").FullName;
    private static readonly TimeSpan s_hangBound = TimeSpan.FromSeconds(60);
    private readonly Process process;
    private readonly Socket monitor;
    private readonly StreamReader replies;
    private readonly HashSet<string> taken = [];

    /// <summary>Starts it with what <paramref name="arguments"/> makes of the directory, and waits until all its
    /// objects exist.</summary>
    public QemuProcess(Func<string, string> arguments)
    {
        var line = "-machine none -nodefaults -display none " + arguments(directory)
            + $" -qmp unix:{directory}/qmp,server=on,wait=on";
        try
        {
            process = Process.Start(new ProcessStartInfo(Program, line) { RedirectStandardError = true })!;
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            Directory.Delete(directory, recursive: true);
            throw new InvalidOperationException($"cannot start {Program}: install qemu-system-x86 ({error.Message})");
        }
        // The greeting says that the objects exist and the main loop runs; a packet socket that is connected before
        // loses frames.
        monitor = Open("qmp");
        monitor.ReceiveTimeout = (int)s_hangBound.TotalMilliseconds;
        replies = new StreamReader(new NetworkStream(monitor));
        _ = replies.ReadLine();
        Execute("qmp_capabilities");
    }

    /// <summary>Processor time that it has used.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            process.Refresh();
            return process.TotalProcessorTime;
        }
    }

    /// <summary>
    /// Connects to a packet socket that it listens on; returns when QEMU has taken the connection. One that only
    /// waits to be taken looks connected from here, but what QEMU sends to it meanwhile is lost.
    /// </summary>
    public Socket Connect(string name)
    {
        var socket = Open(name);
        var deadline = Stopwatch.StartNew();
        while (!Execute("query-chardev").Contains($"\"filename\": \"unix:{directory}/{name},", StringComparison.Ordinal)
            && !taken.Contains($"{directory}/{name}"))
        {
            if (deadline.Elapsed > s_hangBound)
            {
                throw new InvalidOperationException($"{Program} did not take the connection to '{name}'");
            }
            using var wait = new ManualResetEventSlim();
            wait.Wait(5);
        }
        return socket;
    }

    private string Execute(string command)
    {
        monitor.Send(Encoding.ASCII.GetBytes($"{{\"execute\": \"{command}\"}}\n"));
        while (replies.ReadLine() is { } line)
        {
            if (line.Contains("\"return\"", StringComparison.Ordinal))
            {
                return line;
            }
            if (line.Contains("NETDEV_STREAM_CONNECTED", StringComparison.Ordinal))
            {
                var path = JsonNode.Parse(line)!["data"]!["addr"]!["path"]!;
                taken.Add(path.GetValue<string>());
            }
        }
        throw new InvalidOperationException($"{Program} closed its monitor: {process.StandardError.ReadToEnd()}");
    }

    private Socket Open(string name)
    {
        var deadline = Stopwatch.StartNew();
        while (true)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                socket.Connect(new UnixDomainSocketEndPoint(Path.Combine(directory, name)));
                return socket;
            }
            catch (SocketException) when (deadline.Elapsed < s_hangBound && !process.HasExited)
            {
                socket.Dispose();
                using var wait = new ManualResetEventSlim();
                wait.Wait(20);
            }
            catch (SocketException error)
            {
                throw new InvalidOperationException(
                    $"{Program} did not open its socket '{name}': {(process.HasExited ? process.StandardError.ReadToEnd() : error.Message)}");
            }
        }
    }

    public void Dispose()
    {
        process.Kill();
        process.WaitForExit();
        process.Dispose();
        replies.Dispose();
        monitor.Dispose();
        Directory.Delete(directory, recursive: true);
    }
}
