using System.Net;
using System.Net.Sockets;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Checkpoint.Primary;
using Colo.Vmm.Checkpoint.Secondary;

namespace Colo.Benchmarks.Checkpoint;

/// <summary>Two machines and a checkpoint link over TCP on the loopback interface.</summary>
internal sealed class BenchPair : IDisposable, IPrimaryCheckpointHooks, ISecondaryCheckpointHooks
{
    private ulong _epoch;
    private TimeSpan _begunAt;

    public BenchPair(int pages, int channels, PrimaryCheckpointOptions options, string? spillPath = null)
    {
        Primary = new BenchMachine(pages);
        Secondary = new BenchMachine(pages);
        var ends = Enumerable.Range(0, channels + 1).Select(_ => Connect()).ToArray();
        var own = new CheckpointLinkParameters(
            LinkRole.Primary, 1, 1, Primary.Ram.BaseAddress, Primary.Ram.SizeBytes, LinkFeatures.Delta | LinkFeatures.Compression);
        var open = Task.Run(() => Open(own with { Role = LinkRole.Secondary }, ends.Select(e => e.Second)));
        var link = Open(own, ends.Select(e => e.First));
        Receiver = new SecondaryCheckpointReceiver(
            Secondary, open.GetAwaiter().GetResult(), new SecondaryCheckpointOptions { SpillPath = spillPath }, this, TimeProvider.System);
        Sender = new PrimaryCheckpointSender(Primary, link, options, this, TimeProvider.System);
        Receiver.Start(isReplica: true);
        Sender.WaitUntilReady(CancellationToken.None);
    }

    public BenchMachine Primary { get; }

    public BenchMachine Secondary { get; }

    public PrimaryCheckpointSender Sender { get; }

    public SecondaryCheckpointReceiver Receiver { get; }

    public static (Stream First, Stream Second) Connect()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start(1);
        var client = new TcpClient(AddressFamily.InterNetwork) { NoDelay = true };
        client.Connect((IPEndPoint)listener.LocalEndpoint);
        var server = listener.AcceptTcpClient();
        server.NoDelay = true;
        return (client.GetStream(), server.GetStream());
    }

    public CheckpointReport Run()
    {
        _begunAt = Environment.CpuUsage.TotalTime;
        var report = Sender.Run(new CheckpointStamp(1, ++_epoch), CancellationToken.None);
        return report.Status == CheckpointStatus.Loaded
            ? report
            : throw new InvalidOperationException($"checkpoint {_epoch} ended as {report.Status} ({report.Abort}, {report.Failure})");
    }

    public void Dispose()
    {
        Sender.Dispose();
        Receiver.Dispose();
        Primary.Dispose();
        Secondary.Dispose();
    }

    /// <summary>Processor time of the whole process between the last checkpoint's beginning and its commit: the request
    /// and the transfer, on both sides, whatever else the machine does.</summary>
    public TimeSpan TransferProcessorTime { get; private set; }

    public void Captured(CheckpointStamp stamp)
    {
        // Nothing of the benchmark's own belongs into the pause: asking for the processor time took a third of it.
    }

    public void Committed(CheckpointStamp stamp)
    {
    }

    public void CheckpointWanted(CheckpointWantedReason reason)
    {
    }

    public void Paused(CheckpointStamp stamp)
    {
    }

    /// <summary>Pages that were in the spill file when the last checkpoint was whole.</summary>
    public int SpilledAtCommit { get; private set; }

    public bool TryCommit(CheckpointStamp stamp)
    {
        TransferProcessorTime = Environment.CpuUsage.TotalTime - _begunAt;
        SpilledAtCommit = Receiver.SpilledPages;
        return true;
    }

    public void Loaded(CheckpointStamp stamp)
    {
    }

    public void Aborted(CheckpointStamp stamp, AbortReason reason)
    {
    }

    public void LoadFailed(CheckpointStamp stamp, string error) => throw new InvalidOperationException(error);

    public void LinkLost(LinkFailure failure)
    {
    }

    private static CheckpointLink Open(CheckpointLinkParameters own, IEnumerable<Stream> streams)
    {
        var all = streams.ToArray();
        return CheckpointLink.TryOpen(own, all[0], all[1..], out var error) ?? throw new InvalidOperationException(error);
    }
}
