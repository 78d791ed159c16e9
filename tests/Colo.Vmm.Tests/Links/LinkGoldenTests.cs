using Colo.Vmm.Links;

namespace Colo.Vmm.Tests.Links;

/// <summary>Freezes the bytes of docs/protocol.md: a change here is another version of the links.</summary>
public sealed class LinkGoldenTests
{
    [Fact]
    public void The_opening_of_a_link_and_its_answer()
    {
        GoldenBytes.Equal(
            "434F4C4F4C494E4B 0001 0005 0002 0003 0000000000000007 0006 776562 6E6F64652D61",
            new LinkOpen(LinkKind.Disk, 2, "web", 7, "node-a").ToBytes());
        GoldenBytes.Equal("434F4C4F4C494E4B 0001 0003 0000000000000009", LinkOpen.AnswerBytes(LinkAnswer.OldTerm, 9));
        Assert.Equal(
            "CheckpointControl=1 CheckpointPages=2 Mirror=3 Compare=4 Disk=5 Resync=6 Control=7",
            string.Join(' ', Enum.GetValues<LinkKind>().Where(k => k != 0).Select(k => $"{k}={(int)k}")));
        Assert.Equal(
            "Accepted=1 UnknownVm=2 OldTerm=3 NotExpected=4 WrongVersion=5",
            string.Join(' ', Enum.GetValues<LinkAnswer>().Where(k => k != 0).Select(k => $"{k}={(int)k}")));
    }

    [Fact]
    public void A_tagged_frame()
    {
        using var stream = new GatheringStream(16 + 3);
        using var writer = new TaggedFrameWriter(stream, 1 << 16, _ => { });
        Assert.True(writer.TryWrite(1, 0x0102030405060708, [0xAA, 0xBB, 0xCC]));
        writer.Flush();
        Assert.True(stream.Complete.Wait(TimeSpan.FromSeconds(60)));
        GoldenBytes.Equal("00000003 0001 0000 0102030405060708 AABBCC", stream.Bytes);
    }

    /// <summary>Keeps what is written, and says when there is enough.</summary>
    private sealed class GatheringStream(int expected) : MemoryStream
    {
        public ManualResetEventSlim Complete { get; } = new();

        public byte[] Bytes
        {
            get
            {
                lock (Complete)
                {
                    return ToArray();
                }
            }
        }

        public override void Write(byte[] buffer, int offset, int count)
        {
            lock (Complete)
            {
                base.Write(buffer, offset, count);
                if (Length >= expected)
                {
                    Complete.Set();
                }
            }
        }

        protected override void Dispose(bool disposing)
        {
            base.Dispose(disposing);
            Complete.Dispose();
        }
    }
}
