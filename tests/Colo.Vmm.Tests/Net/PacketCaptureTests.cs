using System.Buffers.Binary;
using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

public sealed class PacketCaptureTests
{
    private const int FrameBytes = 14 + 20 + 20 + 1;

    [Theory]
    [InlineData(PcapResolution.Nanoseconds, 0xA1B23C4Du, 234_567_800u)]
    [InlineData(PcapResolution.Microseconds, 0xA1B2C3D4u, 234_567u)]
    public void The_file_is_a_classic_pcap(PcapResolution resolution, uint magic, uint fraction)
    {
        using var stream = new MemoryStream();
        var writer = new PcapWriter(stream, resolution, sizeBytesMax: 50);
        writer.Write(TimeSpan.FromTicks(22_345_678), [1, 2, 3]);
        writer.Write(default, [1, 2, 3]);
        var bytes = stream.ToArray();
        Assert.Equal(24 + 16 + 3, bytes.Length);
        Assert.Equal(1, writer.Skipped);
        Assert.Equal(magic, BinaryPrimitives.ReadUInt32LittleEndian(bytes));
        Assert.Equal([2, 0, 4, 0], bytes[4..8]);
        Assert.Equal(1u, BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(20)));
        Assert.Equal(2u, BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(24)));
        Assert.Equal(fraction, BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(28)));
        Assert.Equal(3u, BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(32)));
    }

    [Fact]
    public void Released_held_and_different_frames_are_recorded_with_the_reason()
    {
        var directory = Directory.CreateTempSubdirectory("colo-capture-").FullName;
        try
        {
            var pool = new FramePool();
            using (var capture = new PacketCapture(new RecordingSink(), directory, () => TimeSpan.FromSeconds(1)))
            {
                var comparer = new PacketComparer(new ComparerOptions(), pool, capture);
                byte[][] primary = [TestFrames.Tcp(1, 5, TcpFlags.Ack, [1]), TestFrames.Tcp(2, 5, TcpFlags.Ack, [7])];
                byte[][] secondary = [primary[0], TestFrames.Tcp(2, 5, TcpFlags.Ack, [8])];
                for (var i = 0; i < 2; i++)
                {
                    Assert.True(pool.TryCopy(primary[i], FrameOwner.Reader, out var p));
                    comparer.Primary(p, default, default);
                    Assert.True(pool.TryCopy(secondary[i], FrameOwner.Reader, out var s));
                    comparer.Secondary(s, default, default);
                }
                comparer.StopReleasing();
            }
            Assert.Equal(24 + 16 + FrameBytes, new FileInfo(Path.Combine(directory, "released.pcap")).Length);
            Assert.Equal(24 + 2 * (16 + FrameBytes), new FileInfo(Path.Combine(directory, "held.pcap")).Length);
            Assert.Equal(24 + 2 * (16 + FrameBytes), new FileInfo(Path.Combine(directory, "mismatch.pcap")).Length);
            Assert.Contains(
                "byte 1: primary 0x07, secondary 0x08", File.ReadAllText(Path.Combine(directory, "mismatch.txt")), StringComparison.Ordinal);
            Assert.Equal(0, pool.OutstandingCount);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>What the comparer decides happens, whatever becomes of its record.</summary>
    [Theory]
    [InlineData("released.pcap")]
    [InlineData("held.pcap")]
    [InlineData("mismatch.pcap")]
    [InlineData("mismatch.txt")]
    public void A_full_disk_ends_the_record_and_not_the_traffic(string full)
    {
        var sink = new RecordingSink();
        var said = new List<string>();
        var pool = new FramePool();
        var capture = new PacketCapture(
            sink, "/captures", () => TimeSpan.FromSeconds(1), said.Add, 1 << 20,
            path => path.EndsWith(full, StringComparison.Ordinal) ? new FullStream(24) : new MemoryStream());
        var comparer = new PacketComparer(new ComparerOptions(), pool, capture);
        byte[][] primary = [TestFrames.Tcp(1, 5, TcpFlags.Ack, [1]), TestFrames.Tcp(2, 5, TcpFlags.Ack, [7])];
        byte[][] secondary = [primary[0], TestFrames.Tcp(2, 5, TcpFlags.Ack, [8])];
        for (var i = 0; i < 2; i++)
        {
            Assert.True(pool.TryCopy(primary[i], FrameOwner.Reader, out var p));
            comparer.Primary(p, default, default);
            Assert.True(pool.TryCopy(secondary[i], FrameOwner.Reader, out var s));
            comparer.Secondary(s, default, default);
            capture.Flush();
        }

        comparer.StopReleasing();
        capture.Dispose();
        Assert.Equal(primary[0], Assert.Single(sink.Released).Frame);
        Assert.Single(sink.Differences);
        Assert.Equal($"packets are no longer recorded in /captures: {FullStream.Text}", Assert.Single(said));
        Assert.Equal(0, pool.OutstandingCount);
    }
}
