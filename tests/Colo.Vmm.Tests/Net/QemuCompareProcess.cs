using System.Diagnostics;
using System.Net.Sockets;

namespace Colo.Vmm.Tests.Net;

/// <summary>
/// A real colo-compare in a QEMU without a machine: three packet sockets and the notify socket, over which it asks for checkpoints and is told
/// of them. All sockets are Unix sockets in an own directory; the process is ended by its id.
/// </summary>
internal sealed class QemuCompareProcess : IDisposable
{
    private const string Program = "qemu-system-x86_64";
    private readonly string directory = Directory.CreateTempSubdirectory("colo-compare-").FullName;
    private readonly Process process;

    public QemuCompareProcess(int compareTimeoutMilliseconds = 600_000, int queueFramesMax = 1024)
    {
        var arguments = "-machine none -nodefaults -display none -object iothread,id=io "
            + string.Concat(((string[])["pri", "sec", "out", "note"]).Select(
                n => $"-chardev socket,id={n},path={directory}/{n},server=on,wait=off "))
            + "-object colo-compare,id=cmp,primary_in=pri,secondary_in=sec,outdev=out,iothread=io,notify_dev=note,"
            + $"compare_timeout={compareTimeoutMilliseconds},max_queue_size={queueFramesMax} "
            + $"-qmp unix:{directory}/qmp,server=on,wait=off";
        try
        {
            process = Process.Start(new ProcessStartInfo(Program, arguments) { RedirectStandardError = true })!;
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            Directory.Delete(directory, recursive: true);
            throw new InvalidOperationException($"cannot start {Program}: install qemu-system-x86 ({error.Message})");
        }
        // The greeting says that the objects exist and the main loop runs; a packet socket that is connected before loses frames.
        using (var monitor = Connect("qmp"))
        {
            monitor.Receive(new byte[4096]);
        }
        Primary = Connect("pri");
        Secondary = Connect("sec");
        Output = Connect("out");
        Notify = Connect("note");
    }

    public Socket Primary { get; }

    public Socket Secondary { get; }

    public Socket Output { get; }

    public Socket Notify { get; }

    /// <summary>Processor time that QEMU has used.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            process.Refresh();
            return process.TotalProcessorTime;
        }
    }

    public void Dispose()
    {
        process.Kill();
        process.WaitForExit();
        process.Dispose();
        foreach (var socket in (Socket[])[Primary, Secondary, Output, Notify])
        {
            socket.Dispose();
        }
        Directory.Delete(directory, recursive: true);
    }

    private Socket Connect(string name)
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
            catch (SocketException) when (deadline.Elapsed < TimeSpan.FromSeconds(60) && !process.HasExited)
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
}
