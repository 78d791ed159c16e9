using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

/// <summary>A comparer with its pool, sink and clock. Disposing it fails the test when a buffer is
/// outstanding.</summary>
internal sealed class ComparerWorld : IDisposable
{
    public ComparerWorld(ComparerOptions? options = null)
    {
        Options = options ?? new ComparerOptions();
        Comparer = new PacketComparer(Options, Pool, Sink);
    }

    public ComparerOptions Options { get; }

    public FramePool Pool { get; } = new();

    public RecordingSink Sink { get; } = new();

    public PacketComparer Comparer { get; }

    public TimeSpan Now { get; set; } = TimeSpan.FromSeconds(1);

    public FrameEpoch PrimaryEpoch { get; private set; }

    public FrameEpoch SecondaryEpoch { get; set; }

    public int ReleasedCount => Sink.Released.Count;

    public bool P(byte[] frame)
    {
        Assert.True(Pool.TryCopy(frame, FrameOwner.Reader, out var pooled));
        if (Comparer.Primary(pooled, PrimaryEpoch, Now))
        {
            return true;
        }
        pooled.Release();
        return false;
    }

    public void S(byte[] frame)
    {
        Assert.True(Pool.TryCopy(frame, FrameOwner.Reader, out var pooled));
        Comparer.Secondary(pooled, SecondaryEpoch, Now);
    }

    public void Capture()
    {
        PrimaryEpoch = PrimaryEpoch.Next;
        Comparer.CheckpointCaptured(PrimaryEpoch);
    }

    /// <summary>The secondary loads what was captured, and says so.</summary>
    public void Commit()
    {
        SecondaryEpoch = PrimaryEpoch;
        Comparer.CheckpointCommitted(PrimaryEpoch, Now);
    }

    public void Checkpoint()
    {
        Capture();
        Commit();
    }

    /// <summary>The comparer has entered a pair, and the joiner has loaded this image.</summary>
    public void JoinAt(FrameEpoch epoch)
    {
        PrimaryEpoch = epoch;
        Commit();
    }

    public void Wait(int milliseconds)
    {
        Now += TimeSpan.FromMilliseconds(milliseconds);
        Comparer.Tick(Now);
    }

    public void Dispose()
    {
        Comparer.StopReleasing();
        Assert.Equal("", Pool.DescribeOutstanding());
        Assert.Equal(0, Comparer.HeldBytes);
    }
}
