using System.Net.Sockets;

namespace Colo.Vmm.Tests.Net;

/// <summary>
/// A real colo-compare in a QEMU without a machine: three packet sockets and the notify socket, over which it asks
/// for checkpoints and is told of them.
/// </summary>
internal sealed class QemuCompareProcess : IDisposable
{
    private readonly QemuProcess process;

    public QemuCompareProcess(int compareTimeoutMilliseconds = 600_000, int queueFramesMax = 1024)
    {
        process = new QemuProcess(directory => "-object iothread,id=io "
            + string.Concat(((string[])["pri", "sec", "out", "note"]).Select(
                n => $"-chardev socket,id={n},path={directory}/{n},server=on,wait=off "))
            + "-object colo-compare,id=cmp,primary_in=pri,secondary_in=sec,outdev=out,iothread=io,notify_dev=note,"
            + $"compare_timeout={compareTimeoutMilliseconds},max_queue_size={queueFramesMax}");
        Primary = process.Connect("pri");
        Secondary = process.Connect("sec");
        Output = process.Connect("out");
        Notify = process.Connect("note");
    }

    public Socket Primary { get; }

    public Socket Secondary { get; }

    public Socket Output { get; }

    public Socket Notify { get; }

    /// <summary>Processor time that QEMU has used.</summary>
    public TimeSpan ProcessorTime => process.ProcessorTime;

    public void Dispose()
    {
        process.Dispose();
        foreach (var socket in (Socket[])[Primary, Secondary, Output, Notify])
        {
            socket.Dispose();
        }
    }
}
