using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

public sealed class OutputBufferTests
{
    private readonly FramePool pool = new();
    private readonly RecordingSink sink = new();

    [Fact]
    public void Holds_every_frame_until_the_commit_of_a_later_capture()
    {
        var buffer = new OutputBuffer(sink);
        Add(buffer, 0, 1);
        buffer.CheckpointCaptured();
        Add(buffer, 1, 2);
        Assert.Empty(sink.Released);
        buffer.CheckpointCommitted(new FrameEpoch(1));
        Assert.Equal(ReleasePermit.Committed, Assert.Single(sink.Released).Permit);
        buffer.CheckpointCommitted(new FrameEpoch(2));
        Assert.Equal([1, 2], sink.Released.Select(r => (int)r.Frame[^1]));
        Assert.Equal(0, pool.OutstandingCount);
    }

    [Fact]
    public void Solo_releases_in_order_even_when_the_output_is_full_for_a_while()
    {
        var buffer = new OutputBuffer(sink);
        Add(buffer, 0, 1);
        Add(buffer, 0, 2);
        sink.Room = 1;
        buffer.GoSolo();
        Add(buffer, 0, 3);
        sink.Room = 10;
        buffer.OutputReady();
        Assert.Equal([1, 2, 3], sink.Released.Select(r => (int)r.Frame[^1]));
        Assert.All(sink.Released, r => Assert.Equal(ReleasePermit.Solo, r.Permit));
        buffer.EnterPair(new FrameEpoch(1));
        Add(buffer, 1, 4);
        Assert.Equal(3, sink.Released.Count);
        buffer.StopReleasing();
        Assert.Equal(0, pool.OutstandingCount);
    }

    [Fact]
    public void At_its_bound_the_caller_keeps_the_frame_and_one_checkpoint_is_asked_for()
    {
        var buffer = new OutputBuffer(sink, heldBytesMax: 4096);
        Add(buffer, 0, 1);
        Add(buffer, 0, 2);
        Assert.True(buffer.Saturated);
        Assert.False(Add(buffer, 0, 3));
        Assert.False(Add(buffer, 0, 3));
        Assert.Equal([CheckpointReason.Overflow], sink.Requests);
        buffer.CheckpointCommitted(new FrameEpoch(1));
        Assert.True(Add(buffer, 1, 3));
        buffer.StopReleasing();
        Assert.Equal(2, sink.Released.Count);
        Assert.Equal("", pool.DescribeOutstanding());
    }

    private bool Add(OutputBuffer buffer, long epoch, byte content)
    {
        Assert.True(pool.TryCopy([content], FrameOwner.Reader, out var frame));
        if (buffer.Add(frame, new FrameEpoch(epoch), default))
        {
            return true;
        }
        frame.Release();
        return false;
    }
}
