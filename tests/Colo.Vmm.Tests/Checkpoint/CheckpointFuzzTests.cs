using System.Buffers.Binary;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Checkpoint.Primary;
using Colo.Vmm.Checkpoint.Secondary;
using Colo.Vmm.Checksums;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Tests.Checkpoint;

/// <summary>Random and half-right bytes against every parser: no exception, no unbounded allocation.</summary>
public sealed class CheckpointFuzzTests
{
    private const int Pages = 300;

    [Fact]
    public void Random_headers_and_openings_are_refused_or_read_without_an_exception()
    {
        var random = new Random(1);
        var bytes = new byte[64];
        var own = new ChannelHello(LinkRole.Primary, true, 0, 1, 7, 5, 0x8000_0000, 1 << 20, LinkFeatures.None);
        for (var i = 0; i < 200_000; i++)
        {
            random.NextBytes(bytes);
            if (i % 2 == 0)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(bytes, FrameHeader.Magic);
                bytes[4] = (byte)random.Next(20);
                bytes.AsSpan(5, 3).Clear();
                bytes.AsSpan(40, 4).Clear();
                BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(44), Crc32C.Compute(bytes.AsSpan(0, 44)));
            }

            var failure = FrameHeader.TryRead(bytes, out var header);
            Assert.True(failure != LinkFailure.None || header.PayloadLength <= FrameLimits.ChunkPayloadMax, $"case {i}");
            // A peer's right opening, damaged in one byte before the features and signed again.
            (own with { Role = LinkRole.Secondary }).Write(bytes);
            bytes[random.Next(56)] ^= (byte)random.Next(1, 256);
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(60), Crc32C.Compute(bytes.AsSpan(0, 60)));
            Assert.False(ChannelHello.TryRead(bytes, own, out _, out var error), $"case {i}");
            Assert.NotEmpty(error);
        }
    }

    [Fact]
    public void Damaged_chunks_never_throw_and_allocate_no_more_than_one_chunk()
    {
        var random = new Random(2);
        using var ram = new GuestRam(0x8000_0000, Pages * 4096);
        var image = new CommittedImage(ram);
        image.Begin();
        var room = new StagingRoom(ram.SavedPages, Pages, Pages, file: null);
        var staged = new StagedPages(Pages, room);
        var features = LinkFeatures.Compression | LinkFeatures.Delta;
        var stager = new PageStager(ram, image, 0, 1, features);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var accepted = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var payload = MakeChunk(random, compress: i % 3 == 0);
            var sent = Crc32C.Compute(payload);
            for (var flips = random.Next(4); flips > 0; flips--)
            {
                var place = random.Next(3) == 0 ? random.Next(payload.Length) : payload.Length - 1 - random.Next(8);
                payload[random.Next(2) == 0 ? Math.Min(place, 15) : place] ^= (byte)random.Next(256);
            }

            // Half of the damage is the sender's own, which no checksum shows.
            var crc = random.Next(2) == 0 ? sent : Crc32C.Compute(payload);
            var isWhole = crc == Crc32C.Compute(payload);
            var result = stager.Stage(payload, crc, staged, null);
            Assert.Equal(isWhole, result != StageResult.Damaged);
            accepted += result == StageResult.Staged ? 1 : 0;
            if (i % 1000 == 0)
            {
                staged.Clear();
            }
        }

        Assert.InRange(accepted, 1000, 19_000);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 4_000_000_000L);
        Assert.True(room.InUse <= Pages);
        image.Dispose();
    }

    [Fact]
    public void Random_deltas_never_throw()
    {
        var random = new Random(3);
        var page = new byte[4096];
        var delta = new byte[2048];
        for (var i = 0; i < 100_000; i++)
        {
            var length = random.Next(delta.Length);
            random.NextBytes(delta.AsSpan(0, length));
            if (length >= 8)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(delta, Crc32C.Compute(page));
                BinaryPrimitives.WriteUInt16LittleEndian(delta.AsSpan(4), (ushort)random.Next(520));
                BinaryPrimitives.WriteUInt16LittleEndian(delta.AsSpan(6), (ushort)random.Next(520));
            }

            DeltaCodec.TryApply(delta.AsSpan(0, length), page);
        }
    }

    [Fact]
    public void Deltas_give_back_every_page()
    {
        var random = new Random(4);
        var old = new byte[4096];
        var page = new byte[4096];
        var copy = new byte[4096];
        var delta = new byte[8192];
        for (var i = 0; i < 5000; i++)
        {
            random.NextBytes(old);
            old.CopyTo(page, 0);
            for (var changes = random.Next(1, 200); changes > 0; changes--)
            {
                page[random.Next(4096)] ^= (byte)random.Next(256);
            }

            var length = DeltaCodec.Encode(old, page, delta);
            old.CopyTo(copy, 0);
            Assert.True(length > 0 && DeltaCodec.TryApply(delta.AsSpan(0, length), copy), $"case {i}");
            Assert.True(copy.AsSpan().SequenceEqual(page), $"case {i}");
            Assert.Equal(-1, DeltaCodec.Encode(old, page, delta.AsSpan(0, length - 1)));
            copy[0] ^= 1;
            Assert.False(DeltaCodec.TryApply(delta.AsSpan(0, length), copy), "another base");
        }
    }

    [Theory]
    [InlineData(0, 400)]
    [InlineData(1, 400)]
    internal void A_peer_that_sends_well_formed_nonsense_is_cut_off_and_changes_nothing(int channel, int seeds)
    {
        for (var seed = 0; seed < seeds; seed++)
        {
            var random = new Random(seed);
            using var machine = new FakeMachine(Pages, 1);
            machine.Boot(50);
            machine.Ram.SwapDirty();
            machine.Resume();
            var (control, controlPeer) = MemoryDuplex.Pair(8 << 20);
            var (pages, pagesPeer) = MemoryDuplex.Pair(8 << 20);
            var own = new CheckpointLinkParameters(
                LinkRole.Secondary, 1, 5, FakeMachine.Base, machine.Ram.SizeBytes, LinkFeatures.Delta);
            var open = Task.Run(() => CheckpointLink.TryOpen(own with { Role = LinkRole.Primary }, controlPeer, [pagesPeer], out _));
            var link = CheckpointLink.TryOpen(own, control, [pages], out _)!;
            using var peer = open.GetAwaiter().GetResult()!;
            using (var receiver = new SecondaryCheckpointReceiver(
                machine, link, new SecondaryCheckpointOptions(), new SilentHooks(), TimeProvider.System))
            {
                receiver.Start(isReplica: true);
                var target = channel == 0 ? peer.Control : peer.PageChannel(0);
                for (var i = 0; i < 30 && link.Failure == LinkFailure.None; i++)
                {
                    var stamp = new CheckpointStamp(5, (ulong)random.Next(3));
                    var type = (FrameType)random.Next(1, 19);
                    var payload = type is FrameType.PageChunk or FrameType.PagePrecopy
                        ? MakeChunk(random, compress: false)
                        : new byte[LengthFor(type, random)];
                    if (type is not (FrameType.PageChunk or FrameType.PagePrecopy))
                    {
                        random.NextBytes(payload);
                    }

                    if (type != FrameType.LiveStart)
                    {
                        target.TryWrite(type, stamp, payload);
                    }
                }
            }

            Assert.True(machine.IsUntouched(), $"seed {seed}");
            Assert.False(machine.IsPaused, $"seed {seed}");
        }
    }

    private static int LengthFor(FrameType type, Random random) => type switch
    {
        FrameType.CheckpointReady or FrameType.VmStateSend => 8,
        FrameType.CheckpointAbort or FrameType.CheckpointWanted => 1,
        FrameType.VmStateSize => VmStateSize.Size,
        FrameType.PagesEnd => PagesEnd.Size,
        FrameType.VmStateData => random.Next(1, 1000),
        FrameType.PageHashes => 24,
        _ => 0,
    };

    private static byte[] MakeChunk(Random random, bool compress)
    {
        var builder = new PageChunkBuilder(16, runsCrossBlocks: true, compress);
        var page = 0;
        while (!builder.IsFull && (page += random.Next(1, 40)) < Pages)
        {
            switch (random.Next(50))
            {
                case < 25:
                    builder.AddZero(page);
                    break;
                case < 49:
                    builder.NextPage.Fill((byte)random.Next(256));
                    builder.AddRaw(page, Crc32C.Update(builder.BodyRegister, builder.NextPage));
                    break;
                default:
                    var delta = new byte[16];
                    BinaryPrimitives.WriteUInt32LittleEndian(delta, Crc32C.Compute(new byte[4096]));
                    BinaryPrimitives.WriteUInt16LittleEndian(delta.AsSpan(4), (ushort)random.Next(511));
                    BinaryPrimitives.WriteUInt16LittleEndian(delta.AsSpan(6), 1);
                    builder.AddDelta(page, delta);
                    break;
            }
        }

        if (builder.IsEmpty)
        {
            return new byte[24];
        }

        var payload = builder.Close(out var crc)[FrameHeader.Size..].ToArray();
        Assert.Equal(Crc32C.Compute(payload), crc);
        return payload;
    }

    private sealed class SilentHooks : ISecondaryCheckpointHooks
    {
        public void Paused(CheckpointStamp stamp)
        {
        }

        public bool TryCommit(CheckpointStamp stamp) => false;

        public void Loaded(CheckpointStamp stamp)
        {
        }

        public void Aborted(CheckpointStamp stamp, AbortReason reason)
        {
        }

        public void LoadFailed(CheckpointStamp stamp, string error)
        {
        }

        public void CheckpointWanted(CheckpointWantedReason reason)
        {
        }

        public void LinkLost(LinkFailure failure)
        {
        }
    }
}
