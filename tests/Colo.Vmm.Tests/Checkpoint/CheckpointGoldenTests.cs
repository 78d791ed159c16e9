using Colo.Vmm.Checkpoint;
using Colo.Vmm.Checkpoint.Primary;

namespace Colo.Vmm.Tests.Checkpoint;

/// <summary>Freezes the bytes of docs/protocol-checkpoint.md: a change here is another version of the
/// protocol.</summary>
public sealed class CheckpointGoldenTests
{
    [Fact]
    public void Channel_opening()
    {
        var bytes = new byte[ChannelHello.Size];
        new ChannelHello(
            LinkRole.Primary, false, 2, 4, 0x1122334455667788, 5, 0x80000000, 0x10000000,
            LinkFeatures.Delta | LinkFeatures.Hashes).Write(bytes);

        GoldenBytes.Equal(
            "434F4C4F434B5054 0200 01 02 0200 0400 8877665544332211 0500000000000000 0000008000000000 "
            + "0000001000000000 00100000 00010000 05000000 D4E12C18",
            bytes);
    }

    [Fact]
    public void Frame_header()
    {
        var bytes = new byte[FrameHeader.Size];
        new FrameHeader(FrameType.PagesEnd, 16, 0xAABBCCDD, new CheckpointStamp(5, 9), 3).Write(bytes);

        GoldenBytes.Equal(
            "4343504B 12 000000 10000000 DDCCBBAA 0500000000000000 0900000000000000 0300000000000000 00000000 FBC35A82", bytes);
    }

    [Fact]
    public void Vmstate_size_and_pages_end()
    {
        var size = new byte[VmStateSize.Size];
        new VmStateSize(1, 2, 3, 4, 5).Write(size);
        var end = new byte[PagesEnd.Size];
        new PagesEnd(6, 7).Write(end);

        GoldenBytes.Equal("0100000000000000 0200000000000000 0300000000000000 04000000 05000000", size);
        GoldenBytes.Equal("0600000000000000 0700000000000000", end);
    }

    [Fact]
    public void Chunk_of_a_zero_run_a_raw_page_and_a_delta()
    {
        var builder = new PageChunkBuilder(4, runsCrossBlocks: true, compress: false);
        builder.AddZero(3);
        builder.AddZero(4);
        builder.NextPage.Fill(0x5A);
        builder.AddRaw(7, 0);
        var old = new byte[4096];
        var page = new byte[4096];
        page[24] = 1;
        page[4095] = 2;
        var delta = new byte[100];
        builder.AddDelta(8, delta.AsSpan(0, DeltaCodec.Encode(old, page, delta)));

        var payload = builder.Close(out _)[FrameHeader.Size..].ToArray();

        GoldenBytes.Equal("0300 0000 1C100000 1C100000 00000000", payload.AsSpan(0, 16));
        Assert.Equal(-1, payload.AsSpan(16, 4096).IndexOfAnyExcept((byte)0x5A));
        GoldenBytes.Equal(
            "8941F998 0300 0100 0100000000000000 FB01 0100 0000000000000002",
            payload.AsSpan(16 + 4096, payload.Length - 16 - 4096 - 24));
        GoldenBytes.Equal("03000000 01 00 0200  07000000 02 00 0100  08000000 03 00 1C00", payload.AsSpan(payload.Length - 24));
    }

    [Fact]
    public void Numbers_of_types_reasons_and_features_stay()
    {
        Assert.Equal(
            "None=0 CheckpointReady=1 CheckpointRequest=2 CheckpointReply=3 VmStateSend=4 VmStateSize=5 VmStateReceived=6 "
            + "VmStateLoaded=7 CheckpointAbort=8 VmStateData=9 CheckpointWanted=10 LiveStart=11 LiveStartReply=12 "
            + "PageHashes=13 PageChunk=16 PagePrecopy=17 PagesEnd=18",
            string.Join(' ', Enum.GetValues<FrameType>().Select(t => $"{t}={(int)t}")));
        Assert.Equal(
            "None=0 Cancelled=1 TooManyPages=2 VerificationFailed=3 CommitRefused=4 CaptureFailed=5",
            string.Join(' ', Enum.GetValues<AbortReason>().Select(t => $"{t}={(int)t}")));
    }

    [Fact]
    public void Digest_and_hash_of_a_page()
    {
        Assert.Equal(0x10541CBD8EE6D7F1UL, PageHash.OfNumber(0));
        Assert.Equal(0x8516F644812E60C8UL, PageHash.OfNumber(1));
        var bytes = new byte[PageHash.Size];
        PageHash.Compute(new byte[4096]).Write(bytes);
        GoldenBytes.Equal("AD7FACB2586FC6E966C004D7D1D16B02", bytes);
    }
}
