using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

/// <summary>Random and mutated frames through everything that parses. Nothing throws, nothing leaks, memory stays
/// within its bound.</summary>
public sealed class PacketFuzzTests
{
    private static readonly byte[][] Corpus =
    [
        TestFrames.Tcp(1, 2, TcpFlags.Ack, [1, 2, 3, 4], options: [1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9]),
        TestFrames.Tcp(1, 2, TcpFlags.Syn, [], fromGuest: false, ipv6: true, extensions: 3),
        TestFrames.Tcp(1, 2, TcpFlags.Ack, [1], vlan: 3, ipOptions: 40),
        TestFrames.Udp(new byte[100]), TestFrames.Icmp(8, 1, [1, 2]), TestFrames.Arp(1, 2),
        .. TestFrames.Fragment(TestFrames.Udp(new byte[200]), 96, 5),
        TestFrames.Ip(58, [136, 0, 0, 0, 0, 0, 0, 0], true, true),
        TestFrames.Ip(44, [6, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9], true, true),
    ];

    [Fact]
    public void Any_bytes_are_handled()
    {
        for (var seed = 0; seed < 40; seed++)
        {
            var random = new Random(seed);
            var sink = new RecordingSink();
            var pool = new FramePool(16L << 20);
            var comparer = new PacketComparer(
                new ComparerOptions { HeldBytesMax = 1 << 20, ConnectionsMax = 50, QueueFramesMax = 20 }, pool, sink);
            var rewriter = new SequenceRewriter(new RewriterOptions { ConnectionsMax = 20 });
            var announcer = new Announcer();
            var epoch = new FrameEpoch(0);
            for (var i = 0; i < 3000; i++)
            {
                var now = TimeSpan.FromMilliseconds(i);
                var frame = Draw(random);
                announcer.Learn(frame);
                rewriter.FromGuest([.. frame], now);
                rewriter.ToGuest([.. frame], now);
                Assert.True(pool.TryCopy(frame, FrameOwner.Reader, out var pooled));
                if (random.Next(2) == 0)
                {
                    comparer.Secondary(pooled, epoch, now);
                }
                else if (!comparer.Primary(pooled, epoch, now))
                {
                    pooled.Release();
                }
                comparer.Tick(now);
                if (random.Next(200) == 0)
                {
                    epoch = epoch.Next;
                    comparer.CheckpointCaptured(epoch);
                    comparer.CheckpointCommitted(epoch, now);
                }
                Assert.True(comparer.HeldBytes <= (1 << 20) + StreamFraming.MaxPayloadBytes, $"seed {seed} step {i}: {comparer.HeldBytes}");
                sink.Released.Clear();
            }
            comparer.StopReleasing();
            Assert.True(pool.OutstandingCount == 0 && comparer.HeldBytes == 0, $"seed {seed}: {pool.DescribeOutstanding()}");
        }
    }

    [Fact]
    public void Stream_readers_take_any_bytes()
    {
        for (var seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            var reader = new FrameStreamReader(random.Next(2) == 0, 1);
            for (var i = 0; i < 20; i++)
            {
                var span = reader.FillSpan[..Math.Min(reader.FillSpan.Length, random.Next(500))];
                random.NextBytes(span);
                for (var at = 0; at + 3 < span.Length; at += 40)
                {
                    span[at] = 0;
                    span[at + 1] = 0;
                }
                reader.Advance(span.Length);
                while (reader.TryRead(out _, out _) == FrameReadResult.Frame)
                {
                }
                if (reader.Error is not null)
                {
                    break;
                }
            }
        }
    }

    private static byte[] Draw(Random random)
    {
        if (random.Next(10) == 0)
        {
            var noise = new byte[random.Next(200)];
            random.NextBytes(noise);
            return noise;
        }
        byte[] frame = [.. Corpus[random.Next(Corpus.Length)]];
        for (var i = random.Next(4); i > 0; i--)
        {
            frame[random.Next(random.Next(2) == 0 ? frame.Length : Math.Min(frame.Length, 60))] = (byte)(random.Next(3) * random.Next(256));
        }
        return random.Next(6) == 0 ? frame[..random.Next(frame.Length)] : frame;
    }
}
