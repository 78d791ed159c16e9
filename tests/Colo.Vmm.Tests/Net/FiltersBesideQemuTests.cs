using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

/// <summary>
/// Our packet streams with a real filter-mirror and filter-redirector at the other end. In the QEMU two stream back
/// ends are joined by a hub, so that it needs no guest: what goes into <c>left</c> comes out of <c>right</c>,
/// unless a filter on <c>left</c> takes it.
/// </summary>
[Trait("Category", "e2e")]
public sealed class FiltersBesideQemuTests
{
    private const int Frames = 200;
    private const int FramesOnTheWay = 16;
    private const int BytesOnTheWay = 64 * 1024;
    private static readonly TimeSpan HangBound = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_filter_mirror_sends_us_a_copy_of_every_frame_and_passes_it_on(bool vnet)
    {
        using var qemu = Start($"-object filter-mirror,id=f0,netdev=left,queue=tx,outdev=out{Vnet(vnet)}", "out");
        using var copies = new Arrivals(qemu.Connect("out"), vnet);
        using var right = new Arrivals(qemu.Connect("right"), hasVnet: false);
        using var left = new FrameStreamEndpoint(qemu.Connect("left"));
        var sent = SendRandom(left, right, seed: 1);

        copies.Check(sent);
        right.Check(sent);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_filter_redirector_sends_us_the_frame_instead_of_passing_it_on(bool vnet)
    {
        using var qemu = Start($"-object filter-redirector,id=f0,netdev=left,queue=tx,outdev=out{Vnet(vnet)}", "out");
        using var taken = new Arrivals(qemu.Connect("out"), vnet);
        using var right = new Arrivals(qemu.Connect("right"), hasVnet: false);
        using var left = new FrameStreamEndpoint(qemu.Connect("left"));

        taken.Check(SendRandom(left, taken, seed: 2));

        Assert.Equal(0, right.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_filter_redirector_passes_on_what_we_send_to_it(bool vnet)
    {
        using var qemu = Start($"-object filter-redirector,id=f0,netdev=left,queue=tx,indev=in{Vnet(vnet)}", "in");
        using var right = new Arrivals(qemu.Connect("right"), hasVnet: false);
        using var input = new FrameStreamEndpoint(qemu.Connect("in"), vnet);

        right.Check(SendRandom(input, right, seed: 3));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Two_redirectors_and_our_streams_between_them_are_a_wire(bool vnet)
    {
        // As in a pair: one QEMU's redirector, our link, the other QEMU's redirector.
        using var first = Start($"-object filter-redirector,id=f0,netdev=left,queue=tx,outdev=out{Vnet(vnet)}", "out");
        using var second = Start($"-object filter-redirector,id=f0,netdev=left,queue=tx,indev=in{Vnet(vnet)}", "in");
        using var into = new FrameStreamEndpoint(second.Connect("in"), vnet);
        using var outOf = new FrameStreamEndpoint(first.Connect("out"), vnet);
        using var right = new Arrivals(second.Connect("right"), hasVnet: false);
        outOf.Start((payload, vnetLength) => into.TrySend(payload, vnetLength));
        using var left = new FrameStreamEndpoint(first.Connect("left"));

        right.Check(SendRandom(left, right, seed: 4));
    }

    [Fact]
    public void The_bytes_of_a_mirrored_frame_are_the_documented_ones()
    {
        foreach (var vnet in (bool[])[false, true])
        {
            using var qemu = Start($"-object filter-mirror,id=f0,netdev=left,queue=tx,outdev=out{Vnet(vnet)}", "out");
            using var mirror = qemu.Connect("out");
            using var left = new FrameStreamEndpoint(qemu.Connect("left"));
            var frame = Enumerable.Range(0, 60).Select(i => (byte)i).ToArray();
            Assert.True(left.TrySend(frame));

            // A stream back end has no vnet header: its length word is there, and zero.
            byte[] expected = vnet ? [0, 0, 0, 60, 0, 0, 0, 0, .. frame] : [0, 0, 0, 60, .. frame];
            var bytes = new byte[expected.Length];
            mirror.ReceiveTimeout = (int)HangBound.TotalMilliseconds;
            for (var have = 0; have < bytes.Length;)
            {
                var count = mirror.Receive(bytes.AsSpan(have));
                Assert.True(count > 0, $"QEMU closed after {have} bytes");
                have += count;
            }
            Assert.Equal(expected, bytes);
        }
    }

    private static string Vnet(bool on) => on ? ",vnet_hdr_support=on" : "";

    private static QemuProcess Start(string filter, string chardev) => new(directory =>
        string.Concat(((string[])["left", "right"]).Select(n =>
            $"-netdev stream,id={n},server=on,addr.type=unix,addr.path={directory}/{n} -netdev hubport,hubid=0,id=h-{n},netdev={n} "))
        + $"-chardev socket,id={chardev},path={directory}/{chardev},server=on,wait=off {filter}");

    /// <summary>
    /// Frames of all sizes; each begins with its number. What is on its way fits into a socket's buffer: QEMU 7.2's
    /// stream back end, behind a hub, aborts when it has written a part of a frame (assertion
    /// <c>offset == 0</c> in <c>iov_copy</c>, from <c>qemu_net_queue_flush</c>).
    /// </summary>
    private static List<byte[]> SendRandom(FrameStreamEndpoint endpoint, Arrivals arrivals, int seed)
    {
        var random = new Random(seed);
        List<byte[]> sent = [];
        long bytes = 0;
        for (var i = 0; i < Frames; i++)
        {
            // A hub hands a frame on by a queue that takes Ethernet's usual sizes and large segments alike.
            var frame = new byte[random.Next(8) == 0 ? random.Next(1515, 60_000) : random.Next(60, 1515)];
            random.NextBytes(frame);
            BinaryPrimitives.WriteInt32BigEndian(frame, i);
            bytes += frame.Length;
            arrivals.WaitFor(sent.Count + 1 - FramesOnTheWay, bytes - BytesOnTheWay);
            Assert.True(
                endpoint.TrySend(frame),
                $"frame {i} of {frame.Length} bytes was refused: {endpoint.CloseReason ?? "full"}");
            sent.Add(frame);
        }
        return sent;
    }

    /// <summary>What arrives on one stream.</summary>
    private sealed class Arrivals : IDisposable
    {
        private readonly FrameStreamEndpoint endpoint;
        private readonly List<byte[]> frames = [];
        private readonly ManualResetEventSlim complete = new();
        private string? wrong;
        private long bytes;
        private bool isClosed;

        public Arrivals(Socket socket, bool hasVnet)
        {
            endpoint = new FrameStreamEndpoint(socket, hasVnet);
            endpoint.Closed += NoteClosed;
            endpoint.Start(Take);
        }

        public int Count
        {
            get
            {
                lock (frames)
                {
                    return frames.Count;
                }
            }
        }

        /// <summary>Waits until so many frames and bytes of payload have arrived.</summary>
        public void WaitFor(int frameCount, long byteCount)
        {
            var since = Stopwatch.StartNew();
            lock (frames)
            {
                while (frames.Count < frameCount || bytes < byteCount)
                {
                    Assert.False(isClosed, $"{frames.Count} frames arrived, then: {endpoint.CloseReason}");
                    Assert.True(
                        Monitor.Wait(frames, HangBound) && since.Elapsed < HangBound,
                        $"{frames.Count} frames of {bytes} bytes arrived, expected {frameCount} of {byteCount}");
                }
            }
        }

        public void Check(List<byte[]> sent)
        {
            Assert.True(complete.Wait(HangBound), $"{Count} of {sent.Count} frames arrived");
            Assert.Null(wrong);
            Assert.True(Count == sent.Count, $"{Count} of {sent.Count} frames arrived, then: {endpoint.CloseReason}");
            for (var i = 0; i < sent.Count; i++)
            {
                Assert.True(sent[i].AsSpan().SequenceEqual(frames[i]), $"frame {i} of {sent[i].Length} bytes arrived as {frames[i].Length}");
            }
        }

        public void Dispose()
        {
            endpoint.Dispose();
            complete.Dispose();
        }

        private void NoteClosed()
        {
            lock (frames)
            {
                isClosed = true;
                Monitor.PulseAll(frames);
            }
            complete.Set();
        }

        private bool Take(ReadOnlySpan<byte> payload, int vnetHeaderLength)
        {
            lock (frames)
            {
                wrong ??= vnetHeaderLength == 0 ? null : $"a vnet header of {vnetHeaderLength} bytes on frame {frames.Count}";
                frames.Add(payload.ToArray());
                bytes += payload.Length;
                Monitor.PulseAll(frames);
                if (frames.Count == Frames)
                {
                    complete.Set();
                }
            }
            return true;
        }
    }
}
