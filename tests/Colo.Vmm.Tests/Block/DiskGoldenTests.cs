using System.Net.Sockets;
using Colo.Vmm.Block;

namespace Colo.Vmm.Tests.Block;

/// <summary>Freezes the bytes of docs/protocol-disk.md: a change here is another version of the link or the
/// file.</summary>
public sealed class DiskGoldenTests
{
    private const int DiskSize = 0x3_0000;

    [Fact]
    public async Task The_primarys_side_of_a_disk_link()
    {
        using var pair = new LinkPair();
        pair.Far.ReadTimeout = 60_000;
        using var sender = new DiskLinkSender(pair.Near, new DiskLinkOptions(), term: 5, epoch: 9, DiskSize);
        Frame(pair.Far, 0, "43444C4B 01 01 0000 0500000000000000 0900000000000000 "
            + "4000000000000000 0000000000000000 0000030000000000 00000000 00000000 00000000 3BB03E28");
        Assert.True(await sender.WriteAsync(0x1200, new byte[] { 0xAB, 0xCD }));
        Frame(pair.Far, 2, "43444C4B 01 02 0000 0500000000000000 0900000000000000 "
            + "8200000000000000 0012000000000000 0200000000000000 02000000 1F6F7FA0 00000000 771D29DC ABCD");
        Assert.True(await sender.WriteZeroesAsync(0x10000, 0x400));
        Frame(pair.Far, 0, "43444C4B 01 03 0000 0500000000000000 0900000000000000 "
            + "C200000000000000 0000010000000000 0004000000000000 00000000 00000000 00000000 6F9A99BE");
        _ = sender.BarrierAsync(10).AsTask();
        Frame(pair.Far, 0, "43444C4B 01 04 0000 0500000000000000 0A00000000000000 "
            + "0201000000000000 0000000000000000 0000000000000000 00000000 00000000 00000000 AFAFDCAB");
        _ = sender.FlushAsync().AsTask();
        Frame(pair.Far, 0, "43444C4B 01 05 0000 0500000000000000 0A00000000000000 "
            + "4201000000000000 0000000000000000 0000000000000000 00000000 00000000 00000000 3FAFD3BA");
        _ = sender.KeepOriginalAsync(0x200, new byte[] { 1, 2, 3 }).AsTask();
        Frame(pair.Far, 3, "43444C4B 01 06 0000 0500000000000000 0A00000000000000 "
            + "8501000000000000 0002000000000000 0300000000000000 03000000 1EF230F1 00000000 4DB3E99F 010203");
        _ = sender.HashAsync(0, 0x10000, new byte[32]).AsTask();
        Frame(pair.Far, 0, "43444C4B 01 07 0000 0500000000000000 0A00000000000000 "
            + "C501000000000000 0000000000000000 0000010000000000 00000000 00000000 00000000 008EC30C");
        _ = sender.AskStateAsync(0, DiskSize, new byte[17]).AsTask();
        Frame(pair.Far, 0, "43444C4B 01 0B 0000 0500000000000000 0A00000000000000 "
            + "0502000000000000 0000000000000000 0000030000000000 00000000 00000000 00000000 B37FBC87");
        _ = sender.AdoptAsync(2).AsTask();
        Frame(pair.Far, 0, "43444C4B 01 0D 0000 0500000000000000 0A00000000000000 "
            + "4502000000000000 0200000000000000 0000000000000000 00000000 00000000 00000000 317FCDC9");
    }

    [Fact]
    public void The_secondarys_answers_on_a_disk_link()
    {
        var frame = new byte[DiskLinkFrame.Size];
        new DiskLinkFrame(DiskLinkType.Ack, 5, 0, 0x140, 0, 0, 0, 0).Format(frame);
        GoldenBytes.Equal(
            "43444C4B 01 08 0000 0500000000000000 0000000000000000 "
            + "4001000000000000 0000000000000000 0000000000000000 00000000 00000000 00000000 AB15A965",
            frame);
        new DiskLinkFrame(DiskLinkType.Hashes, 5, 9, 0x140, 0, 0x10000, 32, 0x11223344).Format(frame);
        GoldenBytes.Equal(
            "43444C4B 01 09 0000 0500000000000000 0900000000000000 "
            + "4001000000000000 0000000000000000 0000010000000000 20000000 44332211 00000000 8347DF25",
            frame);
        new DiskLinkFrame(DiskLinkType.Failure, 5, 9, 0x140, (long)BlockStatus.NoSpace, 0, 0, 0).Format(frame);
        GoldenBytes.Equal(
            "43444C4B 01 0A 0000 0500000000000000 0900000000000000 "
            + "4001000000000000 0400000000000000 0000000000000000 00000000 00000000 00000000 043BC03A",
            frame);
    }

    [Fact]
    public void A_bitmap_file()
    {
        var file = new LossyFile(1);
        using var bitmap = DirtyBitmap.Open(file, 70L * DirtyBitmap.Granularity, aheadBytes: 0);
        for (var bit = bitmap.NextDirty(0); bit >= 0; bit = bitmap.NextDirty(bit + 1))
        {
            bitmap.Clear(bit);
        }

        Assert.Equal(BlockStatus.Ok, bitmap.Adopt(new DiskSession(5, 2)));
        Assert.Equal(BlockStatus.Ok, bitmap.Mark(DirtyBitmap.Granularity, 512));
        Assert.Equal(BlockStatus.Ok, bitmap.Mark(66L * DirtyBitmap.Granularity, DirtyBitmap.Granularity));
        var bytes = file.Snapshot();
        Assert.Equal(2 * 4096, bytes.Length);
        GoldenBytes.Equal("434F4C4F424D4150 02000000 01000000 0000460000000000 00000100", bytes.AsSpan(0, 28));
        GoldenBytes.Zeroes(bytes.AsSpan(28, 4));
        GoldenBytes.Equal("0500000000000000 0200000000000000", bytes.AsSpan(32, 16));
        GoldenBytes.Zeroes(bytes.AsSpan(48, 460));
        GoldenBytes.Equal("F69D7E48", bytes.AsSpan(508, 4));
        GoldenBytes.Zeroes(bytes.AsSpan(512, 4096 - 512));
        GoldenBytes.Equal("43444250 00000000 0000000000000000 0200000000000000 0400000000000000", bytes.AsSpan(4096, 32));
        GoldenBytes.Zeroes(bytes.AsSpan(4096 + 32, 4092 - 32));
        GoldenBytes.Equal("9B379B03", bytes.AsSpan(4096 + 4092, 4));

        Assert.Equal(BlockStatus.Ok, bitmap.EndRecording());
        GoldenBytes.Equal("02000000", file.Snapshot().AsSpan(12, 4));
    }

    [Fact]
    public void A_buffer_file_at_a_takeover()
    {
        var file = new LossyFile(1);
        var content = new byte[DiskSize];
        content.AsSpan(0, 0x2_0000).Fill(0x11);
        var disk = new LossyFile(2, content);
        using var buffer = new DiskBuffer(disk, file, new DiskBufferOptions());
        Assert.Equal(BlockStatus.Ok, buffer.Start(5, 9));
        GoldenBytes.Equal(
            "434F4C4F44425546 01000000 01000000 0100000000000000 0000030000000000 0500000000000000 0900000000000000 "
            + "0000000000000000 0000000000000000",
            file.Snapshot().AsSpan(4096, 64));

        // Two sectors with data and, on another page, one with zeroes: that one needs no slot, but had one for a
        // moment.
        var written = new byte[1024];
        written.AsSpan().Fill(0x22);
        Assert.Equal(BlockStatus.Ok, buffer.PrimaryWrite(9, 0x1400, written));
        Assert.Equal(BlockStatus.Ok, buffer.PrimaryWrite(9, 0x2_0200, written.AsSpan(0, 512)));
        Assert.Equal(BlockStatus.Ok, buffer.Failover(9));
        Assert.Equal(BlockStatus.Ok, buffer.MergeStep(0, out _));

        var bytes = file.Snapshot();
        GoldenBytes.Equal(
            "434F4C4F44425546 01000000 02000000 0200000000000000 0000030000000000 0500000000000000 0900000000000000 "
            + "0020010000000000 0200000000000000",
            bytes.AsSpan(0, 64));
        GoldenBytes.Zeroes(bytes.AsSpan(64, 444));
        GoldenBytes.Equal("F7A24FBE", bytes.AsSpan(508, 4));
        Assert.Equal(-1, bytes.AsSpan(0x1_0400, 1024).IndexOfAnyExcept((byte)0x11));
        var index = bytes.AsSpan(0x1_2000, 4096);
        GoldenBytes.Equal("43444249 02000000 0000000000000000", index[..16]);
        GoldenBytes.Equal("0100000000000000 00000000 0C 00 0000", index.Slice(16, 16));
        GoldenBytes.Equal("2000000000000000 FFFFFFFF 02 02 0000 00000000 00000000", index.Slice(40, 24));
        GoldenBytes.Zeroes(index[64..4092]);

        Assert.Equal(BlockStatus.Ok, buffer.Merge());
        GoldenBytes.Equal("03000000", file.Snapshot().AsSpan(4096 + 12, 4));
        Assert.Equal(content, disk.Snapshot());
    }

    [Fact]
    public void Numbers_of_types_and_states_stay()
    {
        Assert.Equal(
            "None=0 Hello=1 Write=2 WriteZeroes=3 Barrier=4 Flush=5 Original=6 HashQuery=7 Ack=8 Hashes=9 Failure=10 "
            + "StateQuery=11 State=12 Adopt=13",
            string.Join(' ', Enum.GetValues<DiskLinkType>().Select(t => $"{t}={(int)t}")));
        Assert.Equal(
            "Unknown=0 Running=1 Merging=2 Merged=3 Stopped=4",
            string.Join(' ', Enum.GetValues<DiskBufferState>().Select(t => $"{t}={(int)t}")));
        Assert.Equal(
            "Ok=0 OutOfRange=1 ReadOnly=2 IoError=3 NoSpace=4 NotSupported=5 PeerLost=6",
            string.Join(' ', Enum.GetValues<BlockStatus>().Select(t => $"{t}={(int)t}")));
    }

    private static void Frame(NetworkStream stream, int payload, string expected)
    {
        var bytes = new byte[DiskLinkFrame.Size + payload];
        stream.ReadExactly(bytes);
        GoldenBytes.Equal(expected, bytes);
    }
}
