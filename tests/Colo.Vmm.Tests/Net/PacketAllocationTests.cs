using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

public sealed class PacketAllocationTests
{
    private const int Operations = 10_000;

    private sealed class NullSink : IReleaseSink
    {
        public long Count { get; private set; }

        public bool TryRelease(PooledFrame frame, ReleasePermit permit)
        {
            Count++;
            return true;
        }

        public void RequestCheckpoint(CheckpointReason reason)
        {
        }
    }

    [Fact]
    public void Comparing_allocates_nothing()
    {
        var sink = new NullSink();
        var pool = new FramePool();
        var comparer = new PacketComparer(new ComparerOptions(), pool, sink);
        var frames = Enumerable.Range(1, 100).Select(p => TestFrames.Tcp(1, 1, TcpFlags.Ack, new byte[64], p)).ToArray();
        var udp = TestFrames.Udp(new byte[50]);
        var arp = TestFrames.Arp(1, 2);
        var done = AssertAllocatesNothing(i =>
        {
            var template = i % 10 == 8 ? udp : i % 10 == 9 ? arp : frames[i % frames.Length];
            var now = TimeSpan.FromTicks(i);
            pool.TryCopy(template, FrameOwner.Reader, out var p);
            pool.TryCopy(template, FrameOwner.Reader, out var s);
            if (template.Length > 100)
            {
                SetSequence(p!, (uint)(1 + i / 100 * 64));
                SetSequence(s!, (uint)(1 + i / 100 * 64));
            }
            comparer.Primary(p!, default, now);
            comparer.Secondary(s!, default, now);
            comparer.Tick(now);
        });
        Assert.Equal(done, sink.Count);
        Assert.Equal(0, pool.OutstandingCount);
    }

    [Fact]
    public void Rewriting_allocates_nothing()
    {
        var rewriter = new SequenceRewriter();
        rewriter.FromGuest(TestFrames.Tcp(7000, 0, TcpFlags.Syn, []), default);
        rewriter.ToGuest(TestFrames.Tcp(100, 2001, TcpFlags.Syn | TcpFlags.Ack, [], 4000, 80, fromGuest: false), default);
        var data = TestFrames.Tcp(7001, 101, TcpFlags.Ack, new byte[64]);
        AssertAllocatesNothing(_ => rewriter.FromGuest(data, default));
        Assert.True(rewriter.Rewritten > 2 * Operations, $"{rewriter.Rewritten} rewritten");
    }

    [Fact]
    public void Remembering_what_is_not_acknowledged_allocates_nothing()
    {
        var output = new UnacknowledgedOutput();
        var data = TestFrames.Tcp(0, 101, TcpFlags.Ack, new byte[64]);
        var answer = TestFrames.Tcp(101, 0, TcpFlags.Ack, [], 4000, 80, fromGuest: false);
        AssertAllocatesNothing(i =>
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(data.AsSpan(38), (uint)(64 * i));
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(answer.AsSpan(42), (uint)(64 * (i - 5)));
            output.FromGuest(data, default);
            output.FromClient(answer, default);
        });
        Assert.InRange(output.FrameCount, 1, 6);
    }

    [Fact]
    public void Framing_allocates_nothing()
    {
        var writer = new FrameStreamWriter();
        var reader = new FrameStreamReader();
        var frame = new byte[100];
        AssertAllocatesNothing(i =>
        {
            writer.TryAppend(frame);
            writer.Pending.Span.CopyTo(reader.FillSpan);
            reader.Advance(writer.Pending.Length);
            writer.Clear();
            reader.TryRead(out _, out _);
        });
    }

    private static void SetSequence(PooledFrame frame, uint sequence) =>
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(frame.Frame[38..], sequence);

    /// <summary>How many were done: a measurement that something else disturbed is made once more.</summary>
    private static int AssertAllocatesNothing(Action<int> operation)
    {
        for (var i = 0; i < Operations; i++)
        {
            operation(i);
        }
        var next = Operations;
        Allocations.None(() =>
        {
            for (var end = next + Operations; next < end; next++)
            {
                operation(next);
            }
        });
        return next;
    }
}
