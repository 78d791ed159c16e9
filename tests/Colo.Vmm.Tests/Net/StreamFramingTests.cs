using System.Net.Sockets;
using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

public sealed class StreamFramingTests
{
    private static readonly TimeSpan HangBound = TimeSpan.FromSeconds(60);

    [Fact]
    public void The_bytes_on_the_wire_are_qemus()
    {
        var plain = new FrameStreamWriter();
        plain.TryAppend([0xAA, 0xBB]);
        Assert.Equal([0, 0, 0, 2, 0xAA, 0xBB], plain.Pending.ToArray());
        var vnet = new FrameStreamWriter(hasVnetHeader: true);
        vnet.TryAppend([1, 2, 3], 2);
        Assert.Equal([0, 0, 0, 3, 0, 0, 0, 2, 1, 2, 3], vnet.Pending.ToArray());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Frames_come_back_however_the_stream_is_split(bool hasVnetHeader)
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var writer = new FrameStreamWriter(hasVnetHeader, 600_000);
            var reader = new FrameStreamReader(hasVnetHeader, 1);
            List<(byte[] Frame, int Vnet)> sent = [];
            for (var i = random.Next(1, 8); i > 0; i--)
            {
                var frame = new byte[random.Next(4) == 0 ? random.Next(1, StreamFraming.MaxPayloadBytes + 1) : random.Next(20, 100)];
                random.NextBytes(frame);
                var vnet = hasVnetHeader ? Math.Min(random.Next(21), frame.Length) : 0;
                Assert.True(writer.TryAppend(frame, vnet));
                sent.Add((frame, vnet));
            }
            var next = 0;
            for (var rest = writer.Pending.Span; !rest.IsEmpty;)
            {
                var count = Math.Min(Math.Min(random.Next(1, 40_000), rest.Length), reader.FillSpan.Length);
                rest[..count].CopyTo(reader.FillSpan);
                reader.Advance(count);
                rest = rest[count..];
                while (reader.TryRead(out var payload, out var vnet) == FrameReadResult.Frame)
                {
                    Assert.True(payload.SequenceEqual(sent[next].Frame), $"seed {seed}, frame {next}");
                    Assert.Equal(sent[next++].Vnet, vnet);
                }
            }
            Assert.Equal(sent.Count, next);
        }
    }

    [Theory]
    [InlineData(new byte[] { 0, 1, 0x10, 1 }, false)]
    [InlineData(new byte[] { 255, 255, 255, 255 }, false)]
    [InlineData(new byte[] { 0, 0, 0, 9, 0, 0, 0, 10 }, true)]
    [InlineData(new byte[] { 0, 0, 0, 99, 0, 0, 0, 21 }, true)]
    public void Impossible_lengths_end_the_stream(byte[] bytes, bool hasVnetHeader)
    {
        var reader = new FrameStreamReader(hasVnetHeader);
        bytes.CopyTo(reader.FillSpan);
        reader.Advance(bytes.Length);
        Assert.Equal(FrameReadResult.Invalid, reader.TryRead(out _, out _));
        Assert.NotNull(reader.Error);
    }

    [Fact]
    public void Two_endpoints_pass_frames_and_notice_the_end()
    {
        var (a, b) = Pair();
        using var left = new FrameStreamEndpoint(a);
        using var right = new FrameStreamEndpoint(b);
        using var arrived = new BlockingFrames(100);
        using var closed = new ManualResetEventSlim();
        right.Closed += closed.Set;
        right.Start(arrived.Add);
        left.Start((_, _) => true);
        for (var i = 0; i < 100; i++)
        {
            Assert.True(left.TrySend([(byte)i, 1, 2]));
        }
        Assert.True(arrived.Complete.Wait(HangBound));
        Assert.Equal(Enumerable.Range(0, 100).Select(i => (byte)i), arrived.Frames.Select(f => f[0]));
        left.Dispose();
        Assert.True(closed.Wait(HangBound));
        Assert.False(left.TrySend([1]));
    }

    [Fact]
    public void A_peer_that_does_not_read_makes_sending_refuse_and_never_block()
    {
        var (a, b) = Pair();
        using var left = new FrameStreamEndpoint(a, queueBytes: 100_000);
        using (b)
        {
            var frame = new byte[10_000];
            var sent = 0;
            while (sent < 100_000 && left.TrySend(frame))
            {
                sent++;
            }
            Assert.InRange(sent, 1, 99_999);
            Assert.Equal(1, left.Refused);
        }
    }

    [Fact]
    public void A_receiver_that_is_full_gets_the_same_frame_again()
    {
        var (a, b) = Pair();
        using var left = new FrameStreamEndpoint(a);
        using var right = new FrameStreamEndpoint(b);
        using var arrived = new BlockingFrames(10);
        var refusals = 0;
        right.Start((payload, vnet) => refusals++ % 3 == 2 && arrived.Add(payload, vnet));
        for (var i = 0; i < 10; i++)
        {
            left.TrySend([(byte)i]);
        }
        Assert.True(arrived.Complete.Wait(HangBound));
        Assert.Equal(Enumerable.Range(0, 10).Select(i => (byte)i), arrived.Frames.Select(f => f[0]));
    }

    internal static (Socket A, Socket B) Pair()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        listener.Listen();
        var a = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        a.Connect(listener.LocalEndPoint!);
        return (a, listener.Accept());
    }
}
