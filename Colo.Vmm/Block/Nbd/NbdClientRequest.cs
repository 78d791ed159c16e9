using System.Threading.Tasks.Sources;

namespace Colo.Vmm.Block.Nbd;

/// <summary>One request of the client and its future; pooled. The completion runs on the thread pool, never on the
/// thread that reads the link: what continues there may block.</summary>
internal sealed class NbdClientRequest(NbdClient owner) : IValueTaskSource<BlockStatus>, IThreadPoolWorkItem
{
    private ManualResetValueTaskSourceCore<BlockStatus> _core;
    private BlockStatus _result;

    public ushort Type { get; set; }

    public ushort Flags { get; set; }

    public long Offset { get; set; }

    public uint Length { get; set; }

    public ReadOnlyMemory<byte> Source { get; set; }

    public Memory<byte> Destination { get; set; }

    /// <summary>The next one in the list of those not sent yet.</summary>
    public NbdClientRequest? Next { get; set; }

    /// <summary>Bytes of a structured read that came so far.</summary>
    public long Received { get; set; }

    /// <summary>The first error of a structured answer.</summary>
    public uint Error { get; set; }

    public ValueTask<BlockStatus> Task => new(this, _core.Version);

    public void Complete(BlockStatus result)
    {
        _result = result;
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute() => _core.SetResult(_result);

    BlockStatus IValueTaskSource<BlockStatus>.GetResult(short token)
    {
        var result = _core.GetResult(token);
        _core.Reset();
        Source = default;
        Destination = default;
        owner.Return(this);
        return result;
    }

    ValueTaskSourceStatus IValueTaskSource<BlockStatus>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<BlockStatus>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);
}
