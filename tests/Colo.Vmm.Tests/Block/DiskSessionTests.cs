using Colo.Vmm.Block;

namespace Colo.Vmm.Tests.Block;

/// <summary>Two hosts with a disk each, their bitmaps and buffers: who comes back is compared only where it may
/// differ, and is equal afterwards.</summary>
public sealed class DiskSessionTests
{
    private const int Parts = 200;
    private const int Size = Parts * DirtyBitmap.Granularity;
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task The_first_copy_compares_everything_and_a_secondary_that_returns_only_what_was_written_meanwhile()
    {
        using var owner = new Host(1);
        using var other = new Host(2);
        Assert.Equal((Parts, Parts), await PairAsync(owner, other, term: 1, epoch: 5));
        await owner.WriteAsync(3, 4);
        Assert.True(await owner.FlushBothAsync());
        owner.Device.Detach("lost");
        other.Crash(power: true);
        await owner.WriteAsync(100);
        var again = await PairAsync(owner, other, term: 2, epoch: 9);
        Assert.Equal((1, 1), again); // 3 and 4 were durable on both
        Assert.Equal(owner.Disk.Snapshot(), other.Disk.Snapshot());
    }

    [Fact]
    public async Task A_primary_that_was_lost_under_writes_returns_by_what_both_bitmaps_name()
    {
        for (var seed = 10; seed < 30; seed++)
        {
            var random = new Random(seed);
            using var first = new Host(seed);
            using var second = new Host(seed + 100);
            _ = await PairAsync(first, second, term: 1, epoch: 5);
            await first.WriteAsync(1, 2, 3);
            if (random.Next(2) == 0)
            {
                await first.Device.FlushAsync().AsTask().WaitAsync(Hang);
            }

            Assert.True(await first.Device.BarrierAsync(6).AsTask().WaitAsync(Hang));
            Assert.Equal(BlockStatus.Ok, second.Buffer!.Checkpoint(6));

            // Of epoch 6: some arrive and have to be undone there, some never do; the guest there wrote its own.
            await first.WriteAsync(10, 11);
            if (random.Next(2) == 0)
            {
                Assert.True(await first.FlushBothAsync());
            }

            second.Cut();
            await first.WriteAsync(20);
            second.GuestWrites(30);
            first.Crash(power: random.Next(2) == 0);

            second.TakeOver(guestWritesMeanwhile: 31);
            await second.WriteAsync(40);
            if (random.Next(2) == 0)
            {
                second.Crash(power: false);
                Assert.Equal(BlockStatus.Ok, second.Bitmap.BeginRecording());
            }

            var (compared, _) = await PairAsync(second, first, term: 3, epoch: 20);
            Assert.True(compared <= 12, $"seed {seed}: {compared} parts were compared");
            var equal = first.Disk.Snapshot().AsSpan().SequenceEqual(second.Disk.Snapshot());
            Assert.True(equal, $"seed {seed}: the disks differ");
        }
    }

    [Fact]
    public async Task Who_was_in_step_with_another_disk_is_compared_as_a_whole()
    {
        using var owner = new Host(1);
        using var left = new Host(2);
        using var spare = new Host(3);
        _ = await PairAsync(owner, left, term: 1, epoch: 5);
        owner.Device.Detach("lost");
        left.Crash(power: false);
        Assert.Equal(Parts, (await PairAsync(owner, spare, term: 2, epoch: 9)).Compared);
        owner.Device.Detach("lost");
        spare.Crash(power: false);
        Assert.Equal(Parts, (await PairAsync(owner, left, term: 3, epoch: 19)).Compared);
        Assert.Equal(owner.Disk.Snapshot(), left.Disk.Snapshot());
    }

    [Theory]
    [InlineData(false, 0, 0)]
    [InlineData(true, Parts, 1)]
    public async Task A_byte_that_somebody_else_changed_is_mended_once_the_bitmap_was_removed(
        bool removed, long compared, long sent)
    {
        using var owner = new Host(1);
        using var other = new Host(2);
        _ = await PairAsync(owner, other, term: 1, epoch: 5);
        owner.Device.Detach("lost");
        byte[] changed = [(byte)~other.Disk.Snapshot()[77]];
        Assert.Equal(BlockStatus.Ok, other.Disk.Write(77, changed));
        if (removed)
        {
            other.CrashWithoutBitmap();
        }
        else
        {
            other.Crash(power: false);
        }

        Assert.Equal((compared, sent), await PairAsync(owner, other, term: 2, epoch: 9));
        Assert.Equal(removed, owner.Disk.Snapshot().AsSpan().SequenceEqual(other.Disk.Snapshot()));
    }

    [Fact]
    public async Task Two_attempts_in_one_term_are_two_sessions()
    {
        using var owner = new Host(1);
        using var left = new Host(2);
        using var spare = new Host(3);
        Assert.Equal(Parts, (await PairAsync(owner, left, term: 1, epoch: 5)).Compared);
        owner.Device.Detach("the attempt is given up");
        left.Crash(power: false);
        Assert.Equal(Parts, (await PairAsync(owner, spare, term: 1, epoch: 5)).Compared);
        await owner.WriteAsync(7);
        owner.Device.Detach("lost");
        spare.Crash(power: false);
        Assert.Equal(Parts, (await PairAsync(owner, left, term: 2, epoch: 9)).Compared);
    }

    [Fact]
    public async Task A_takeover_that_was_not_merged_leaves_a_disk_that_is_no_guests()
    {
        using var first = new Host(1);
        using var second = new Host(2);
        _ = await PairAsync(first, second, term: 1, epoch: 5);
        Assert.True(second.IsOneHistory); // its primary's, up to some write
        Assert.Equal(BlockStatus.Ok, second.Buffer!.Failover(5));
        Assert.False(second.IsOneHistory);
        Assert.Equal(BlockStatus.Ok, second.Buffer.Merge());
        Assert.True(second.IsOneHistory);
    }

    [Fact]
    public async Task A_copy_that_was_cut_short_leaves_a_disk_that_is_no_guests()
    {
        using var owner = new Host(1);
        using var joiner = new Host(2);
        Assert.True(joiner.IsOneHistory);
        using var pair = new LinkPair();
        using var link = joiner.Receive(pair, owner, term: 1, epoch: 0);
        Assert.True(await DiskHandshake.OpenAsync(link, owner.Bitmap, 1).WaitAsync(Hang));
        Assert.False(joiner.IsOneHistory);
    }

    [Fact]
    public async Task Changes_wait_for_a_link_that_is_expected_and_are_recorded_when_none_comes()
    {
        using var owner = new Host(1);
        owner.Device.Expect();
        var waits = owner.Device.WriteAsync(0, new byte[512]).AsTask();
        Assert.False(waits.IsCompleted);
        owner.Device.Detach("no link");
        Assert.Equal(BlockStatus.Ok, await waits.WaitAsync(Hang));
        Assert.True(owner.Bitmap.IsDirty(0));
    }

    /// <summary>Joins, copies, and begins the pair.</summary>
    /// <returns>Parts compared and parts sent.</returns>
    private static async Task<(long Compared, long Sent)> PairAsync(Host owner, Host joiner, ulong term, ulong epoch)
    {
        var pair = new LinkPair();
        var link = joiner.Receive(pair, owner, term, epoch - 1);
        owner.Keep(link, pair);
        Assert.True(await DiskHandshake.OpenAsync(link, owner.Bitmap, term).WaitAsync(Hang));
        owner.Device.Attach(link);
        var last = default(DiskResyncProgress);
        var options = new DiskResyncOptions { Progress = now => last = now };
        var resync = new DiskResync(owner.Device, owner.Bitmap, link, options);
        Assert.Equal(BlockStatus.Ok, await resync.RunAsync().WaitAsync(Hang));
        Assert.Equal(BlockStatus.Ok, owner.Device.CompletePair());
        Assert.True(await owner.Device.BarrierAsync(epoch).AsTask().WaitAsync(Hang));
        return (last.ComparedBytes / DirtyBitmap.Granularity, last.SentBytes / DirtyBitmap.Granularity);
    }

    private sealed class Host : IDisposable
    {
        private readonly Random _random;
        private LossyFile _bitmapFile;
        private readonly LossyFile _bufferFile;
        private readonly List<IDisposable> _kept = [];
        private LinkPair? _incoming;

        public Host(int seed)
        {
            _random = new Random(seed);
            var content = new byte[Size];
            _random.NextBytes(content);
            Disk = new LossyFile(seed, content);
            _bitmapFile = new LossyFile(seed + 1000);
            _bufferFile = new LossyFile(seed + 2000);
            Bitmap = DirtyBitmap.Open(_bitmapFile, Size, 0);
            Assert.Equal(BlockStatus.Ok, Bitmap.BeginRecording());
            Device = new ForwardingDevice(new RawFileDevice(Disk), Bitmap);
        }

        public LossyFile Disk { get; }

        public DirtyBitmap Bitmap { get; private set; }

        public ForwardingDevice Device { get; private set; }

        public DiskBuffer? Buffer { get; private set; }

        public bool IsOneHistory => DiskBufferRecovery.IsOneHistory(_bufferFile, Bitmap.IsFollowing);

        /// <summary>This host is to be filled by that one.</summary>
        public DiskLinkSender Receive(LinkPair pair, Host owner, ulong term, ulong epoch)
        {
            Buffer = new DiskBuffer(Disk, _bufferFile, new DiskBufferOptions { Changes = Bitmap });
            pair.Receive(Buffer, term, bitmap: Bitmap);
            _incoming = pair;
            return new DiskLinkSender(pair.Near, new DiskLinkOptions(), term, epoch, owner.Device.SizeBytes);
        }

        public void Keep(params IDisposable[] things) => _kept.AddRange(things);

        public async Task WriteAsync(params int[] parts)
        {
            foreach (var part in parts)
            {
                var data = new byte[_random.Next(1, 20) * 512];
                _random.NextBytes(data);
                var write = Device.WriteAsync((long)part * DirtyBitmap.Granularity, data);
                Assert.Equal(BlockStatus.Ok, await write.AsTask().WaitAsync(Hang));
            }
        }

        /// <summary>As a resync does from time to time: what was written is durable on both sides.</summary>
        public Task<bool> FlushBothAsync() =>
            Device.FlushBothAsync(_kept.OfType<DiskLinkSender>().Last()).WaitAsync(Hang);

        public void GuestWrites(int part)
        {
            var data = new byte[512];
            _random.NextBytes(data);
            Assert.Equal(BlockStatus.Ok, Buffer!.Write((long)part * DirtyBitmap.Granularity, data));
        }

        /// <summary>The link to this host is cut, and what was on its way is applied or lost.</summary>
        public void Cut() => _incoming!.Dispose();

        public void TakeOver(int guestWritesMeanwhile)
        {
            Assert.Equal(BlockStatus.Ok, Buffer!.Failover(Buffer.LoadedEpoch));
            GuestWrites(guestWritesMeanwhile);
            Assert.Equal(BlockStatus.Ok, Buffer.Merge());
            Device = new ForwardingDevice(new RawFileDevice(Disk), Bitmap);
        }

        /// <summary>The process is gone, and starts again; with <paramref name="power"/>, what was not flushed is
        /// gone as well.</summary>
        public void Crash(bool power)
        {
            _kept.ForEach(thing => thing.Dispose());
            _kept.Clear();
            _incoming?.Dispose();
            if (power)
            {
                Disk.Crash(tear: true);
                _bitmapFile.Crash(tear: true);
                _bufferFile.Crash(tear: true);
            }

            Bitmap = DirtyBitmap.Open(_bitmapFile, Size, 0);
            Device = new ForwardingDevice(new RawFileDevice(Disk), Bitmap);
            Buffer = null;
        }

        /// <summary>An operator has removed the bitmap's file while the node was down.</summary>
        public void CrashWithoutBitmap()
        {
            _bitmapFile = new LossyFile(3000);
            Crash(power: false);
        }

        public void Dispose()
        {
            _kept.ForEach(thing => thing.Dispose());
            _incoming?.Dispose();
        }
    }
}
