using Colo.Vmm.Checkpoint;

namespace Colo.Vmm.Tests.Checkpoint;

/// <summary>Frames are the same however the transport cuts them: a read may bring a part of one or the beginning of the
/// next.</summary>
public sealed class FrameChannelTests
{
    private static readonly CheckpointStamp s_stamp = new(5, 9);

    [Theory]
    [InlineData(1)]
    [InlineData(47)]
    [InlineData(48)]
    [InlineData(64)]
    [InlineData(80)]
    [InlineData(5000)]
    [InlineData(int.MaxValue)]
    public void Frames_come_whole_and_in_order_from_pieces_of_any_size(int piece)
    {
        var sent = Frames();
        using var channel = new FrameChannel(new Pieces(Bytes(sent), piece));

        foreach (var (type, payload) in sent)
        {
            Assert.Equal(LinkFailure.None, channel.Read(out var header, out var got));
            Assert.Equal(type, header.Type);
            Assert.True(got.SequenceEqual(payload));
        }

        Assert.Equal(LinkFailure.Closed, channel.Read(out _, out _));
    }

    [Fact]
    public void An_end_inside_a_frame_is_told_from_an_end_behind_it_at_every_byte()
    {
        (FrameType, byte[])[] sent = [(FrameType.CheckpointReply, []), (FrameType.PagesEnd, new byte[16])];
        var bytes = Bytes(sent);
        for (var length = 0; length <= bytes.Length; length++)
        {
            using var channel = new FrameChannel(new Pieces(bytes[..length], int.MaxValue));
            var whole = 0;
            while (channel.Read(out _, out _) == LinkFailure.None)
            {
                whole++;
            }

            Assert.Equal(length < FrameHeader.Size ? 0 : length < bytes.Length ? 1 : 2, whole);
            var isBetween = length is 0 or FrameHeader.Size || length == bytes.Length;
            Assert.Equal(isBetween ? LinkFailure.Closed : LinkFailure.Truncated, channel.Failure);
        }
    }

    [Fact]
    public void The_last_chunk_and_the_end_of_the_pages_are_two_frames_in_one_write()
    {
        var stream = new Written();
        using var channel = new FrameChannel(stream);
        var chunk = new byte[FrameHeader.Size + 100 + FrameHeader.Size + PagesEnd.Size];
        chunk.AsSpan(FrameHeader.Size, 100).Fill(7);
        var end = new byte[PagesEnd.Size];
        new PagesEnd(3, 1).Write(end);
        var payloadCrc = Colo.Vmm.Checksums.Crc32C.Compute(chunk.AsSpan(FrameHeader.Size, 100));

        Assert.True(channel.TryWriteInPlace(FrameType.PageChunk, s_stamp, chunk, payloadCrc, FrameType.PagesEnd, end));

        Assert.Single(stream.Writes);
        using var reader = new FrameChannel(new Pieces(stream.Writes[0], int.MaxValue));
        Assert.Equal(LinkFailure.None, reader.Read(out var first, out var content));
        Assert.Equal((FrameType.PageChunk, 100), (first.Type, content.Length));
        Assert.Equal(LinkFailure.None, reader.Read(out var second, out content));
        Assert.Equal((FrameType.PagesEnd, s_stamp), (second.Type, second.Stamp));
        Assert.True(content.SequenceEqual(end));
    }

    private static (FrameType Type, byte[] Payload)[] Frames()
    {
        var random = new Random(4);
        byte[] Random(int length)
        {
            var bytes = new byte[length];
            random.NextBytes(bytes);
            return bytes;
        }

        return
        [
            (FrameType.CheckpointRequest, []), (FrameType.VmStateSend, Random(8)),
            (FrameType.VmStateSize, Random(VmStateSize.Size)), (FrameType.VmStateData, Random(1)),
            (FrameType.VmStateData, Random(40_000)), (FrameType.PagesEnd, Random(16)),
            (FrameType.PageChunk, Random(9000)), (FrameType.PagesEnd, Random(16)),
            (FrameType.CheckpointAbort, Random(1)), (FrameType.CheckpointReply, []),
            (FrameType.CheckpointReply, []), (FrameType.PageChunk, Random(4096)),
        ];
    }

    private static byte[] Bytes((FrameType Type, byte[] Payload)[] frames)
    {
        var stream = new Written();
        using var channel = new FrameChannel(stream);
        foreach (var (type, payload) in frames)
        {
            Assert.True(channel.TryWrite(type, s_stamp, payload));
        }

        return [.. stream.Writes.SelectMany(w => w)];
    }

    private sealed class Written : MemoryStream
    {
        public List<byte[]> Writes { get; } = [];

        public override void Write(ReadOnlySpan<byte> buffer) => Writes.Add(buffer.ToArray());
    }

    /// <summary>Gives at most so many bytes a read, and then its end.</summary>
    private sealed class Pieces(byte[] bytes, int most) : MemoryStream
    {
        private int _given;

        public override int Read(Span<byte> buffer)
        {
            var count = Math.Min(Math.Min(most, buffer.Length), bytes.Length - _given);
            bytes.AsSpan(_given, count).CopyTo(buffer);
            _given += count;
            return count;
        }
    }
}
