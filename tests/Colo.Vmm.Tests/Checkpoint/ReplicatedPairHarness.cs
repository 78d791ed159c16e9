using System.Net;
using System.Net.Sockets;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Checkpoint.Primary;
using Colo.Vmm.Checkpoint.Secondary;
using Colo.Vmm.Machine;

namespace Colo.Vmm.Tests.Checkpoint;

/// <summary>
/// The thinnest real pair: two embedded machines in one process and a checkpoint link over loopback TCP. The primary
/// runs its guest, the secondary runs a copy from each checkpoint on; the primary can be killed at any moment.
/// </summary>
internal sealed class ReplicatedPairHarness : IDisposable, IPrimaryCheckpointHooks, ISecondaryCheckpointHooks
{
    private const ulong Term = 1;

    private readonly PrimaryCheckpointSender _sender;
    private readonly SecondaryCheckpointReceiver _receiver;
    private readonly BackgroundPrecopy _precopy;
    private ulong _epoch;

    /// <param name="primary">Started or not; belongs to the harness from now on.</param>
    /// <param name="secondary">Built with equal options, never started; belongs to the harness from now on.</param>
    /// <param name="channels">Page channels.</param>
    public ReplicatedPairHarness(VirtMachine primary, VirtMachine secondary, int channels)
    {
        Primary = primary;
        Secondary = secondary;
        var ends = Enumerable.Range(0, channels + 1).Select(_ => Connect()).ToArray();
        var own = new CheckpointLinkParameters(
            LinkRole.Primary, 3, Term, primary.Ram.BaseAddress, primary.Ram.SizeBytes, LinkFeatures.Delta);
        var open = Task.Run(() => Open(own with { Role = LinkRole.Secondary }, [.. ends.Select(e => e.Second)]));
        var link = Open(own, [.. ends.Select(e => e.First)]);
        _receiver = new SecondaryCheckpointReceiver(
            new VirtCheckpointMachine(secondary) { StartsOnResume = true }, open.GetAwaiter().GetResult(),
            new SecondaryCheckpointOptions(), this, TimeProvider.System);
        _sender = new PrimaryCheckpointSender(
            new VirtCheckpointMachine(primary), link, new PrimaryCheckpointOptions(), this, TimeProvider.System);
        _precopy = new BackgroundPrecopy(_sender, new PrecopyOptions());
        _receiver.Start(isReplica: false);
        Assert.True(_sender.WaitUntilReady(CancellationToken.None));
    }

    public VirtMachine Primary { get; }

    public VirtMachine Secondary { get; }

    public List<string> Errors { get; } = [];

    public long BytesSent => _sender.BytesWritten;

    public SecondaryCheckpointReceiver Receiver => _receiver;

    /// <summary>Copies the running primary and makes the secondary a replica.</summary>
    public LiveStartReport Protect()
    {
        _precopy.Step(new CheckpointStamp(Term, _epoch + 1), CancellationToken.None);
        return new LiveStart(_sender, new LiveStartOptions()).Run(
            new CheckpointStamp(Term, ++_epoch), null, CancellationToken.None);
    }

    public void SendAhead() => _precopy.Step(new CheckpointStamp(Term, _epoch + 1), CancellationToken.None);

    public CheckpointReport Checkpoint() => _sender.Run(new CheckpointStamp(Term, ++_epoch), CancellationToken.None);

    /// <summary>The primary's host is gone: machine and link end at once, whatever they were doing.</summary>
    public void KillPrimary()
    {
        _sender.Dispose();
        Primary.Dispose();
    }

    /// <summary>The secondary stands alone; it goes on from its running state, which began with the last
    /// commit.</summary>
    public VirtMachine TakeOver()
    {
        _receiver.Dispose();
        Assert.Equal(ReplicaState.Replica, _receiver.Replica);
        Secondary.Resume();
        return Secondary;
    }

    public void Dispose()
    {
        _sender.Dispose();
        _receiver.Dispose();
        Primary.Dispose();
        Secondary.Dispose();
    }

    public void Captured(CheckpointStamp stamp)
    {
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

    public bool TryCommit(CheckpointStamp stamp) => true;

    public void Loaded(CheckpointStamp stamp)
    {
    }

    public void Aborted(CheckpointStamp stamp, AbortReason reason)
    {
    }

    public void LoadFailed(CheckpointStamp stamp, string error) => Errors.Add($"{stamp}: {error}");

    public void LinkLost(LinkFailure failure)
    {
    }

    private static CheckpointLink Open(CheckpointLinkParameters own, Stream[] streams)
    {
        var link = CheckpointLink.TryOpen(own, streams[0], streams[1..], out var error);
        Assert.True(link is not null, error);
        return link;
    }

    private static (Stream First, Stream Second) Connect()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start(1);
        var client = new TcpClient(AddressFamily.InterNetwork) { NoDelay = true };
        client.Connect((IPEndPoint)listener.LocalEndpoint);
        var server = listener.AcceptTcpClient();
        server.NoDelay = true;
        return (client.GetStream(), server.GetStream());
    }
}
