using Colo.Vmm.Checkpoint;
using Colo.Vmm.Checkpoint.Primary;
using Colo.Vmm.Checkpoint.Secondary;

namespace Colo.Vmm.Tests.Checkpoint;

/// <summary>Two fake machines, a link in memory, and hooks that write down what happened and compare the
/// memories.</summary>
internal sealed class CheckpointPair : IDisposable, IPrimaryCheckpointHooks, ISecondaryCheckpointHooks
{
    // Generous: the machine that runs the tests may be busy with other things.
    public static readonly TimeSpan HangBound = TimeSpan.FromSeconds(60);

    private readonly ManualResetEventSlim _lost = new();
    private byte[] _captured = [];

    public CheckpointPair(
        int pages = 2048, int channels = 1, int seed = 1, PrimaryCheckpointOptions? primary = null,
        SecondaryCheckpointOptions? secondary = null, Func<int, Stream, Stream>? wrapPrimaryStream = null,
        TimeProvider? time = null, Func<int, Stream, Stream>? wrapSecondaryStream = null,
        LinkFeatures features = LinkFeatures.Delta | LinkFeatures.Compression | LinkFeatures.Hashes)
    {
        Primary = new FakeMachine(pages, seed);
        Secondary = new FakeMachine(pages, seed);
        var ends = Enumerable.Range(0, channels + 1).Select(_ => MemoryDuplex.Pair()).ToArray();
        Stream Wrap(int index) => wrapPrimaryStream?.Invoke(index, ends[index].First) ?? ends[index].First;
        Stream WrapSecond(int index) => wrapSecondaryStream?.Invoke(index, ends[index].Second) ?? ends[index].Second;
        var own = new CheckpointLinkParameters(LinkRole.Primary, 77, 5, FakeMachine.Base, Primary.Ram.SizeBytes, features);
        var open = Task.Run(() => CheckpointLink.TryOpen(
            own with { Role = LinkRole.Secondary }, WrapSecond(0), [.. Enumerable.Range(1, channels).Select(WrapSecond)], out _));
        PrimaryLink = CheckpointLink.TryOpen(
            own, Wrap(0), [.. Enumerable.Range(1, channels).Select(Wrap)], out var error)
            ?? throw new InvalidOperationException(error);
        SecondaryLink = open.GetAwaiter().GetResult() ?? throw new InvalidOperationException("secondary did not open");
        Receiver = new SecondaryCheckpointReceiver(
            Secondary, SecondaryLink, secondary ?? new SecondaryCheckpointOptions(), this, TimeProvider.System);
        Sender = new PrimaryCheckpointSender(
            Primary, PrimaryLink, primary ?? new PrimaryCheckpointOptions(), this, time ?? TimeProvider.System);
    }

    public FakeMachine Primary { get; }

    public FakeMachine Secondary { get; }

    public CheckpointLink PrimaryLink { get; }

    public CheckpointLink SecondaryLink { get; }

    public PrimaryCheckpointSender Sender { get; }

    public SecondaryCheckpointReceiver Receiver { get; }

    public List<string> Log { get; } = [];

    public int Mismatches { get; private set; }

    public int LoadedCount { get; private set; }

    public bool CompareOnLoad { get; set; } = true;

    public Func<CheckpointStamp, bool> CommitDecision { get; set; } = _ => true;

    public Action? OnCaptured { get; set; }

    public int WantedCount;

    /// <summary>Both machines have run the same so far and are protected from here on.</summary>
    public void StartAsReplica(int bootSteps = 500)
    {
        Primary.Boot(bootSteps);
        Secondary.Boot(bootSteps);
        Primary.Ram.SwapDirty();
        Secondary.Reseed(99);
        Receiver.Start(isReplica: true);
        if (!Sender.WaitUntilReady(CancellationToken.None))
        {
            throw new InvalidOperationException("the secondary did not get ready");
        }

        Primary.Resume();
        Secondary.Resume();
    }

    public CheckpointReport Run(ulong epoch, CancellationToken cancellation = default) =>
        Sender.Run(new CheckpointStamp(5, epoch), cancellation);

    public void WaitUntilLost()
    {
        if (!_lost.Wait(HangBound))
        {
            throw new InvalidOperationException("the secondary did not notice that the link is gone: " + string.Join(", ", Log));
        }
    }

    public void Dispose()
    {
        Sender.Dispose();
        Receiver.Dispose();
        Primary.Dispose();
        Secondary.Dispose();
        _lost.Dispose();
    }

    void IPrimaryCheckpointHooks.Captured(CheckpointStamp stamp)
    {
        if (CompareOnLoad)
        {
            _captured = Primary.Snapshot();
        }

        Note($"captured {stamp.Epoch}");
        OnCaptured?.Invoke();
    }

    void IPrimaryCheckpointHooks.Committed(CheckpointStamp stamp) => Note($"committed {stamp.Epoch}");

    void IPrimaryCheckpointHooks.CheckpointWanted(CheckpointWantedReason reason) => Interlocked.Increment(ref WantedCount);

    void ISecondaryCheckpointHooks.Paused(CheckpointStamp stamp) => Note($"paused {stamp.Epoch}");

    bool ISecondaryCheckpointHooks.TryCommit(CheckpointStamp stamp)
    {
        Note($"commit {stamp.Epoch}");
        return CommitDecision(stamp);
    }

    void ISecondaryCheckpointHooks.Loaded(CheckpointStamp stamp)
    {
        if (CompareOnLoad)
        {
            Mismatches += Secondary.Snapshot().AsSpan().SequenceEqual(_captured) ? 0 : 1;
        }

        LoadedCount++;
        Note($"loaded {stamp.Epoch}");
    }

    void ISecondaryCheckpointHooks.Aborted(CheckpointStamp stamp, AbortReason reason) => Note($"aborted {stamp.Epoch} {reason}");

    void ISecondaryCheckpointHooks.LoadFailed(CheckpointStamp stamp, string error) => Note($"load failed {stamp.Epoch} {error}");

    void ISecondaryCheckpointHooks.CheckpointWanted(CheckpointWantedReason reason)
    {
    }

    void ISecondaryCheckpointHooks.LinkLost(LinkFailure failure)
    {
        Note($"lost {failure}");
        _lost.Set();
    }

    private void Note(string what)
    {
        lock (Log)
        {
            Log.Add(what);
        }
    }
}
