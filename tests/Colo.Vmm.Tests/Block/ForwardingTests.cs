using Colo.Vmm.Block;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Tests.Block;

/// <summary>Primary and secondary disk over a real link.</summary>
public sealed class ForwardingTests
{
    private const int Size = (40 * 65536) + 1024;
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    /// <summary>
    /// read, write, start, do_checkpoint, get_error_all and stop of the primary in QEMU's replication test. There the
    /// primary's side is a node of its own beneath the guest's quorum, which refuses everything before start and reads
    /// always; here the guest's own disk forwards, so it reads and writes in every state, and what start and stop
    /// change is whether the secondary gets the bytes.
    /// </summary>
    [Fact]
    public async Task The_primarys_cases_of_qemus_replication_test()
    {
        // primary/read and primary/write, before start: the peer hears nothing, the bitmap notes what it misses, and
        // there is nothing to checkpoint.
        using var alone = new World(seed: 9);
        byte[] before = alone.Peer.Snapshot(), data = new byte[Size], seen = new byte[Size];
        Array.Fill(data, (byte)0x22);
        Assert.Equal(BlockStatus.Ok, await alone.Device.WriteAsync(0, data));
        Assert.Equal(BlockStatus.Ok, await alone.Device.ReadAsync(0, seen));
        Assert.Equal(data, seen);
        Assert.Equal(before, alone.Peer.Snapshot());
        Assert.True(alone.Bitmap.IsDirty(0));
        Assert.False(await alone.Device.BarrierAsync(6));

        // primary/start: afterwards a full write succeeds, and a barrier proves that it has arrived.
        using var world = new World(seed: 10);
        using var pair = new LinkPair();
        await world.JoinAsync(pair, epoch: 5);
        Array.Fill(data, (byte)0x33);
        Assert.Equal(BlockStatus.Ok, await world.Device.WriteAsync(0, data).AsTask().WaitAsync(Hang));

        // primary/do_checkpoint and primary/get_error_all.
        Assert.True(await world.Device.BarrierAsync(6).AsTask().WaitAsync(Hang));
        Assert.Equal(data, world.Peer.Snapshot());
        Assert.Equal(BlockStatus.Ok, world.Buffer.Checkpoint(6));
        Assert.Equal(DiskBufferError.None, world.Buffer.GetError());

        // primary/stop with failover: the guest goes on alone, and what the secondary misses is noted.
        world.Device.Detach("failover");
        Assert.False(world.Device.IsForwarding);
        Assert.Equal(BlockStatus.Ok, await world.Device.WriteAsync(0, new byte[512]));
        Assert.True(world.Bitmap.IsDirty(0));
        Assert.Equal(data, world.Peer.Snapshot());
    }

    [Fact]
    public async Task At_every_barrier_both_disks_are_equal_whatever_ran_in_parallel()
    {
        using var world = new World(seed: 11);
        using var pair = new LinkPair();
        await world.JoinAsync(pair, epoch: 5);
        for (ulong epoch = 6; epoch < 12; epoch++)
        {
            var captured = world.Local.Snapshot();
            await world.WriteInParallelAsync(40);
            Assert.True(await world.Device.BarrierAsync(epoch).AsTask().WaitAsync(Hang));
            Assert.Equal(world.Local.Snapshot(), world.Peer.Snapshot());

            // S9: until the flip the secondary's guest sees the disk as of the last capture.
            var seen = new byte[Size];
            Assert.Equal(BlockStatus.Ok, world.Buffer.Read(0, seen));
            Assert.Equal(captured, seen);
            Assert.Equal(BlockStatus.Ok, world.Buffer.Checkpoint(epoch));
            Assert.Equal(0, world.Buffer.UsedBytes);
        }
    }

    [Fact]
    public async Task A_peer_that_stops_reading_slows_the_guest_up_to_the_bound_and_then_counts_as_lost()
    {
        using var world = new World(seed: 12);
        using var pair = new LinkPair();
        var time = new ManualTime();
        using var link = new DiskLinkSender(
            pair.Near, new DiskLinkOptions { LagBytes = 4 << 20, StallTimeout = TimeSpan.FromSeconds(3), Time = time }, 1, 1, Size);
        var lost = new TaskCompletionSource<string>();
        world.Device.PeerLost = reason => lost.SetResult(reason);
        world.Device.Attach(link);
        var data = new byte[1 << 20];
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(BlockStatus.Ok, await world.Device.WriteAsync(0, data).AsTask().WaitAsync(Hang));
        }

        var waits = world.Device.WriteAsync(0, data).AsTask();
        Assert.False(waits.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(2.9));
        Assert.False(waits.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.Equal(BlockStatus.Ok, await waits.WaitAsync(Hang));
        Assert.Contains("no room", await lost.Task.WaitAsync(Hang), StringComparison.Ordinal);
        Assert.False(world.Device.IsForwarding);
        Assert.True(world.Bitmap.IsDirty(0));
        Assert.True(world.Bitmap.IsDirty(15));
        Assert.Equal(BlockStatus.Ok, await world.Device.WriteAsync(30 * 65536, new byte[512]));
        Assert.True(world.Bitmap.IsDirty(30));
    }

    [Fact]
    public async Task A_large_write_that_waits_for_room_goes_before_small_ones_that_come_later()
    {
        const int Part = 64 * 1024, Frame = DiskLinkFrame.Size + Part;
        using var pair = new LinkPair();
        var time = new ManualTime();
        var options = new DiskLinkOptions { LagBytes = 4 << 20, StallTimeout = TimeSpan.FromSeconds(3), Time = time };
        using var link = new DiskLinkSender(pair.Near, options, 1, 1, Size);
        var acknowledged = 0L;
        void Acknowledge(int bytes)
        {
            var lag = link.LagBytes;
            acknowledged += bytes;
            pair.Far.Write(Ack(1, acknowledged));
            Assert.True(SpinWait.SpinUntil(() => link.LagBytes != lag, Hang), "the acknowledgement is not taken");
        }

        Acknowledge(DiskLinkFrame.Size);
        while (link.LagBytes + Frame <= options.LagBytes)
        {
            Assert.True(await link.WriteAsync(0, new byte[Part]));
        }

        var large = link.WriteAsync(0, new byte[16 * Part]).AsTask();
        time.Advance(TimeSpan.FromSeconds(2));
        List<Task<bool>> small = [];
        for (var i = 0; i < 4; i++)
        {
            Acknowledge(4 * Frame);
            small.Add(link.WriteAsync(0, new byte[Part]).AsTask());
            Assert.False(small[i].IsCompleted);
        }

        Assert.True(await large.WaitAsync(Hang));

        // Time without progress counts, and there was some.
        time.Advance(TimeSpan.FromSeconds(2));
        Acknowledge(5 * Frame);
        Assert.All(await Task.WhenAll(small).WaitAsync(Hang), Assert.True);
        Assert.False(link.IsLost);
        Assert.Equal(0, time.Armed);
    }

    [Fact]
    public async Task After_a_loss_at_any_moment_the_bitmap_names_everything_that_differs()
    {
        for (var seed = 100; seed < 112; seed++)
        {
            using var world = new World(seed);
            using var pair = new LinkPair();
            await world.JoinAsync(pair, epoch: 5);
            var random = new Random(seed);
            await world.WriteInParallelAsync(random.Next(40));
            if (random.Next(2) == 0)
            {
                await world.Device.FlushAsync();
            }

            var writes = world.WriteInParallelAsync(40);
            pair.Far.Close();
            await writes.WaitAsync(Hang);
            await world.WriteInParallelAsync(10);
            // The link's own thread finds the loss.
            Assert.True(SpinWait.SpinUntil(() => !world.Device.IsForwarding, Hang), $"seed {seed}: the loss is not noticed");
            pair.Dispose();

            // The peer's host may crash as well, and lose what was not flushed there.
            world.Peer.Crash(tear: true);
            world.AssertDifferencesAreDirty(world.Bitmap, seed);
        }
    }

    [Fact]
    public async Task A_resync_makes_the_peer_equal_while_the_guest_writes_and_sends_only_what_differs()
    {
        using var world = new World(seed: 13, differ: 7);
        using var pair = new LinkPair();
        pair.Receive(world.Buffer, term: 1);
        Assert.Equal(BlockStatus.Ok, world.Buffer.PrepareTarget(1));
        using var link = world.Link(pair);
        world.Device.Attach(link);
        Assert.Equal(BlockStatus.NotSupported, world.Device.CompletePair());
        var last = default(DiskResyncProgress);
        var resync = new DiskResync(
            world.Device, world.Bitmap, link, new DiskResyncOptions { FlushEveryBytes = 1 << 20, Progress = now => last = now });
        var guest = world.WriteInParallelAsync(60);
        Assert.Equal(BlockStatus.Ok, await resync.RunAsync().WaitAsync(Hang));
        await guest.WaitAsync(Hang);
        Assert.Equal(BlockStatus.Ok, world.Device.CompletePair());
        Assert.True(await world.Device.BarrierAsync(9).AsTask().WaitAsync(Hang));
        Assert.Equal(world.Local.Snapshot(), world.Peer.Snapshot());
        Assert.Equal(Size, last.ComparedBytes);
        Assert.True(last.SentBytes < Size / 2, $"{last.SentBytes} of {Size} bytes were sent");
        Assert.Equal(DiskBufferStage.Running, world.Buffer.Stage);
        Assert.Equal(9UL, world.Buffer.LoadedEpoch);
    }

    [Fact]
    public async Task A_resync_that_breaks_goes_on_where_it_was()
    {
        using var world = new World(seed: 14, differ: 40);
        long compared = 0;
        using (var pair = new LinkPair())
        {
            pair.Receive(world.Buffer, term: 1);
            Assert.Equal(BlockStatus.Ok, world.Buffer.PrepareTarget(1));
            using var link = world.Link(pair);
            world.Device.Attach(link);
            var batches = 0;
            var resync = new DiskResync(world.Device, world.Bitmap, link, new DiskResyncOptions
            {
                FlushEveryBytes = 1,
                Progress = now =>
                {
                    compared = now.ComparedBytes;
                    if (++batches == 1)
                    {
                        pair.Far.Close();
                    }
                },
            });
            for (var bit = 0; bit < 41; bit += 2)
            {
                world.Bitmap.Clear(bit);
            }

            Assert.Equal(BlockStatus.PeerLost, await resync.RunAsync().WaitAsync(Hang));
        }

        Assert.False(world.Device.IsForwarding);
        Assert.True(world.Bitmap.DirtyBytes > 0);
        world.Bitmap.MarkAll();
        using var second = new LinkPair();
        second.Receive(world.Buffer, term: 1);
        using var again = world.Link(second);
        world.Device.Attach(again);
        var rest = new DiskResync(world.Device, world.Bitmap, again, new DiskResyncOptions());
        Assert.Equal(BlockStatus.Ok, await rest.RunAsync().WaitAsync(Hang));
        Assert.Equal(world.Local.Snapshot(), world.Peer.Snapshot());
        Assert.Equal(0, world.Bitmap.DirtyBytes);
    }

    [Fact]
    public async Task A_rate_limit_holds_the_resync_to_its_pace()
    {
        using var world = new World(seed: 15);
        using var pair = new LinkPair();
        pair.Receive(world.Buffer, term: 1);
        Assert.Equal(BlockStatus.Ok, world.Buffer.PrepareTarget(1));
        using var link = world.Link(pair);
        world.Device.Attach(link);
        var time = new ManualTime();
        var first = new TaskCompletionSource();
        var resync = new DiskResync(world.Device, world.Bitmap, link, new DiskResyncOptions
        {
            BytesPerSecond = Size, Time = time, Progress = _ => first.TrySetResult(),
        });
        world.Bitmap.MarkAll();
        var run = resync.RunAsync();
        await first.Task.WaitAsync(Hang);
        Assert.True(SpinWait.SpinUntil(() => time.Armed > 0, Hang));
        Assert.False(run.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(BlockStatus.Ok, await run.WaitAsync(Hang));
    }

    [Fact]
    public async Task A_shared_disk_is_changed_only_after_the_secondary_has_the_originals()
    {
        var disk = new LossyFile(1, World.Content(16));
        var before = disk.Snapshot();
        using var buffer = new DiskBuffer(disk, new LossyFile(2), new DiskBufferOptions());
        Assert.Equal(BlockStatus.Ok, buffer.Start(1, 1));
        using var pair = new LinkPair();
        pair.Receive(buffer, term: 1, shared: true);
        using var link = new DiskLinkSender(pair.Near, new DiskLinkOptions(), 1, 1, Size);
        using var device = new SharedStorageDevice(new RawFileDevice(disk));
        device.Attach(link, paired: true);
        var random = new Random(16);
        for (var i = 0; i < 30; i++)
        {
            var data = new byte[random.Next(1, 200) * 512];
            random.NextBytes(data);
            var at = random.Next((Size - data.Length) / 512) * 512;
            Assert.Equal(BlockStatus.Ok, await device.WriteAsync(at, data).AsTask().WaitAsync(Hang));
        }

        var seen = new byte[Size];
        Assert.Equal(BlockStatus.Ok, buffer.Read(0, seen));
        Assert.Equal(before, seen);
        Assert.True(await device.BarrierAsync(2).AsTask().WaitAsync(Hang));
        var captured = disk.Snapshot();
        Assert.Equal(BlockStatus.Ok, await device.WriteAsync(0, new byte[4096]).AsTask().WaitAsync(Hang));
        pair.Far.Close();
        var held = device.WriteAsync(65536 * 3, new byte[512]).AsTask();
        Assert.True(SpinWait.SpinUntil(() => link.IsLost, Hang));
        Assert.False(held.IsCompleted);
        device.Fence();
        Assert.Equal(BlockStatus.PeerLost, await held.WaitAsync(Hang));
        Assert.Equal(BlockStatus.Ok, buffer.Failover(2));
        Assert.Equal(BlockStatus.Ok, buffer.Merge());
        Assert.Equal(captured, disk.Snapshot());
    }

    [Fact]
    public async Task A_primary_without_a_link_writes_and_reads_alone_and_can_make_no_barrier()
    {
        using var world = new World(seed: 17);
        Assert.False(await world.Device.BarrierAsync(2));
        Assert.Equal(BlockStatus.PeerLost, world.Device.CompletePair());
        Assert.Equal(BlockStatus.Ok, await world.Device.WriteAsync(0, new byte[512]));
        Assert.True(world.Bitmap.IsDirty(0));
    }

    [Fact]
    public async Task A_failed_forwarded_write_is_remembered_and_the_guest_sees_success()
    {
        using var world = new World(seed: 18);
        using var pair = new LinkPair();
        await world.JoinAsync(pair, epoch: 5);
        var lost = new TaskCompletionSource<string>();
        world.Device.PeerLost = reason => lost.TrySetResult(reason);
        world.Peer.Power.FailFrom = 0;
        Assert.Equal(BlockStatus.Ok, await world.Device.WriteAsync(65536, new byte[512]).AsTask().WaitAsync(Hang));
        Assert.False(await world.Device.BarrierAsync(6).AsTask().WaitAsync(Hang));
        Assert.Contains("IoError", await lost.Task.WaitAsync(Hang), StringComparison.Ordinal);
        Assert.Equal(DiskBufferError.ReplicationFailed, world.Buffer.GetError());
        Assert.True(world.Bitmap.IsDirty(1));
    }

    /// <summary>A change that finds no link and is marked behind the end of a resync would be nowhere on the
    /// peer.</summary>
    [Fact]
    public async Task A_link_is_attached_before_or_behind_the_naming_of_a_change_and_not_in_its_middle()
    {
        using var world = new World(seed: 19);
        using var pair = new LinkPair();
        pair.Receive(world.Buffer, term: 1);
        Assert.Equal(BlockStatus.Ok, world.Buffer.PrepareTarget(1));
        using var link = world.Link(pair);
        var attaching = new Thread(() => world.Device.Attach(link)) { IsBackground = true };
        var waited = false;
        Assert.Equal(BlockStatus.Ok, world.Bitmap.Persist());
        world.BitmapFile.Written = (_, _) =>
        {
            world.BitmapFile.Written = null;
            attaching.Start();
            waited = SpinWait.SpinUntil(
                () => (attaching.ThreadState & (ThreadState.WaitSleepJoin | ThreadState.Stopped)) != 0, Hang)
                && !world.Device.IsForwarding;
        };
        Assert.Equal(BlockStatus.Ok, await world.Device.WriteAsync(65536, new byte[512]));
        Assert.True(attaching.Join(Hang));
        Assert.True(waited, "the link was attached while a change had found none and was not marked yet");
        Assert.True(world.Bitmap.IsDirty(1));
    }

    [Fact]
    public async Task A_change_that_its_link_did_not_take_goes_over_the_one_that_was_attached_since()
    {
        using var world = new World(seed: 20);
        using var pair = new LinkPair();
        using var link = await world.JoinAsync(pair, epoch: 5);
        using var again = new DiskBuffer(world.Peer, new LossyFile(24), new DiskBufferOptions());
        using var other = new LinkPair();
        other.Receive(again, term: 1);
        Assert.Equal(BlockStatus.Ok, again.PrepareTarget(1));
        using var second = world.Link(other);
        var completed = BlockStatus.NotSupported;
        Assert.Equal(BlockStatus.Ok, world.Bitmap.Persist());
        world.BitmapFile.Written = (_, _) =>
        {
            // The change has found the first link and its name is being written; a resync over the second one is
            // faster than its frame.
            world.BitmapFile.Written = null;
            link.Abort("test");
            world.Device.Attach(second);
            world.Bitmap.Clear(1);
            completed = world.Device.CompletePair();
        };
        Assert.Equal(BlockStatus.Ok, await world.Device.WriteAsync(65536, new byte[512]).AsTask().WaitAsync(Hang));
        Assert.Equal(BlockStatus.Ok, completed);
        Assert.True(await world.Device.BarrierAsync(6).AsTask().WaitAsync(Hang));
        Assert.Equal(world.Local.Snapshot(), world.Peer.Snapshot());
        Assert.Equal(0, world.Bitmap.DirtyBytes);
    }

    [Fact]
    public async Task What_comes_behind_a_barrier_that_waits_for_room_is_sent_behind_it()
    {
        using var pair = new LinkPair();
        var options = new DiskLinkOptions { LagBytes = 4 << 20, Time = new ManualTime() };
        using var link = new DiskLinkSender(pair.Near, options, 1, 1, Size);
        var data = new byte[1 << 20];
        for (var i = 0; i < 3; i++)
        {
            Assert.True(await link.WriteAsync(0, data));
        }

        var full = DiskLinkFrame.Size + (3L * (DiskLinkFrame.Size + data.Length));
        var waits = link.WriteAsync(0, data).AsTask();
        var barrier = link.BarrierAsync(2).AsTask();
        List<Task<bool>> behind = [.. Enumerable.Range(0, 50).Select(_ => link.WriteAsync(0, new byte[512]).AsTask())];
        pair.Far.Write(Ack(1, full));
        Assert.True(await waits.WaitAsync(Hang));
        Assert.All(await Task.WhenAll(behind).WaitAsync(Hang), Assert.True);
        List<(DiskLinkType, ulong)> seen = [];
        var header = new byte[DiskLinkFrame.Size];
        while (seen.Count < 56)
        {
            await pair.Far.ReadExactlyAsync(header).AsTask().WaitAsync(Hang);
            Assert.True(DiskLinkFrame.TryParse(header, out var frame));
            await pair.Far.ReadExactlyAsync(new byte[frame.PayloadLength]).AsTask().WaitAsync(Hang);
            seen.Add((frame.Type, frame.Epoch));
        }

        Assert.All(seen[..5], frame => Assert.Equal(1ul, frame.Item2));
        Assert.Equal((DiskLinkType.Barrier, 2ul), seen[5]);
        Assert.False(barrier.IsCompleted);
    }

    /// <summary>The first flush had nothing to wait for, and a change came between the two.</summary>
    [Fact]
    public async Task The_end_of_a_flush_forgets_no_change_that_came_after_its_beginning()
    {
        using var world = new World(seed: 22);
        using var pair = new LinkPair();
        using var link = world.Link(pair);
        world.Device.Attach(link);
        Assert.Equal(BlockStatus.Ok, world.Device.CompletePair());
        var first = world.Device.FlushBothAsync(link);
        Assert.Equal(BlockStatus.Ok, await world.Device.WriteAsync(65536, new byte[512]));
        Assert.Equal(BlockStatus.Ok, await world.Device.FlushAsync());

        // Hello and the first flush have arrived; the change may or may not have when the peer's host loses its power.
        pair.Far.Write(Ack(1, 2 * DiskLinkFrame.Size));
        Assert.True(await first.WaitAsync(Hang));
        link.Abort("test");
        Assert.True(world.Bitmap.IsDirty(1));
    }

    [Fact]
    public void A_flush_that_is_lost_gives_back_what_went_with_it_and_lets_the_next_one_begin()
    {
        using var world = new World(seed: 23);
        var map = new UnsyncedMap(Size);
        map.Enter(0, 512);
        map.Leave(0, 512);
        var lost = map.BeginFlush();
        map.Enter(65536, 512);
        map.Leave(65536, 512);
        Assert.Equal(0, map.BeginFlush());
        map.CancelFlush(lost);
        map.EndFlush(lost, null);
        map.EndFlush(map.BeginFlush(), null);
        map.Enter(131072, 512);
        map.Leave(131072, 512);
        var late = map.BeginFlush();
        map.MoveTo(world.Bitmap);
        map.Enter(196608, 512);
        map.Leave(196608, 512);
        var next = map.BeginFlush();
        Assert.NotEqual(late, next);
        map.EndFlush(late, null);
        map.CancelFlush(next);
        map.MoveTo(world.Bitmap);
        Assert.Equal([false, false, true, true], Enumerable.Range(0, 4).Select(world.Bitmap.IsDirty));
    }

    [Fact]
    public async Task Flushes_that_wait_for_one_of_a_slow_peer_are_done_together()
    {
        const int Waiting = 200;
        var peer = new HookedFile(new LossyFile(24, World.Content(24)));
        using var buffer = new DiskBuffer(peer, new LossyFile(25), new DiskBufferOptions());
        using var pair = new LinkPair();
        Assert.Equal(BlockStatus.Ok, buffer.PrepareTarget(1));
        using ManualResetEventSlim begun = new(), go = new();
        var flushes = 0;
        peer.Flushing = () =>
        {
            flushes++;
            begun.Set();
            Assert.True(go.Wait(Hang));
        };
        pair.Receive(buffer, term: 1);
        using var link = new DiskLinkSender(pair.Near, new DiskLinkOptions(), 1, 1, Size);
        List<Task<bool>> flushed = [link.FlushAsync().AsTask()];
        Assert.True(begun.Wait(Hang));
        for (var i = 0; i < Waiting; i++)
        {
            flushed.Add(link.FlushAsync().AsTask());
        }

        Assert.True(
            SpinWait.SpinUntil(() => pair.Far.Socket.Available == Waiting * DiskLinkFrame.Size, Hang),
            "the frames do not arrive");
        go.Set();
        Assert.All(await Task.WhenAll(flushed).WaitAsync(Hang), Assert.True);
        Assert.Equal(2, flushes);
    }

    [Fact]
    public async Task A_flush_that_fails_on_the_peer_is_not_acknowledged()
    {
        using var world = new World(seed: 26);
        using var pair = new LinkPair();
        using var link = await world.JoinAsync(pair, epoch: 5);
        world.Peer.Power.FailFrom = 0;
        Assert.False(await link.FlushAsync().AsTask().WaitAsync(Hang));
        Assert.Contains("IoError", link.LossReason, StringComparison.Ordinal);
    }

    private static byte[] Ack(ulong term, long sequence)
    {
        var ack = new byte[DiskLinkFrame.Size];
        new DiskLinkFrame(DiskLinkType.Ack, term, 0, sequence, 0, 0, 0, Crc32C.Compute(default)).Format(ack);
        return ack;
    }

    internal sealed class World : IDisposable
    {
        private readonly Random _random;
        private DiskLinkSender? _link;

        public World(int seed, int differ = 0)
        {
            _random = new Random(seed);
            var content = Content(seed);
            Local = new LossyFile(seed, content);
            for (var i = 0; i < differ; i++)
            {
                content[(i * 65536) + _random.Next(1000)] ^= 1;
            }

            Peer = new LossyFile(seed + 1, content);
            BitmapFile = new HookedFile(new LossyFile(seed + 2));
            Bitmap = DirtyBitmap.Open(BitmapFile, Size, aheadBytes: 0);
            Assert.Equal(BlockStatus.Ok, Bitmap.BeginRecording());
            if (differ == 0)
            {
                for (var bit = 0; bit < Bitmap.BitCount; bit++)
                {
                    Bitmap.Clear(bit);
                }
            }

            Device = new ForwardingDevice(new RawFileDevice(Local), Bitmap);
            Buffer = new DiskBuffer(Peer, new LossyFile(seed + 3), new DiskBufferOptions());
        }

        public LossyFile Local { get; }

        public LossyFile Peer { get; }

        public HookedFile BitmapFile { get; }

        public DirtyBitmap Bitmap { get; }

        public ForwardingDevice Device { get; }

        public DiskBuffer Buffer { get; }

        public static byte[] Content(int seed)
        {
            var content = new byte[Size];
            new Random(seed).NextBytes(content);
            return content;
        }

        public DiskLinkSender Link(LinkPair pair) => new(pair.Near, new DiskLinkOptions(), 1, 0, Size);

        public async Task<DiskLinkSender> JoinAsync(LinkPair pair, ulong epoch)
        {
            pair.Receive(Buffer, term: 1);
            Assert.Equal(BlockStatus.Ok, Buffer.PrepareTarget(1));
            _link = Link(pair);
            Device.Attach(_link);
            Assert.Equal(BlockStatus.Ok, Device.CompletePair());
            Assert.True(await Device.BarrierAsync(epoch).AsTask().WaitAsync(Hang));
            return _link;
        }

        public async Task WriteInParallelAsync(int count)
        {
            var tasks = new List<Task<BlockStatus>>();
            for (var i = 0; i < count; i++)
            {
                // A narrow part of the disk, so that many of them overlap.
                var length = _random.Next(1, 60) * 512;
                var offset = _random.Next(12 * 128) * 512;
                var data = new byte[length];
                _random.NextBytes(data);
                var zeroes = _random.Next(8) == 0;
                tasks.Add(Task.Run(async () => zeroes
                    ? await Device.WriteZeroesAsync(offset, length, mayUnmap: true)
                    : await Device.WriteAsync(offset, data)));
            }

            Assert.All(await Task.WhenAll(tasks).WaitAsync(Hang), status => Assert.Equal(BlockStatus.Ok, status));
        }

        public void AssertDifferencesAreDirty(DirtyBitmap bitmap, int seed)
        {
            var local = Local.Snapshot();
            var peer = Peer.Snapshot();
            for (var at = 0; at < Size; at += 512)
            {
                if (!local.AsSpan(at, 512).SequenceEqual(peer.AsSpan(at, 512)))
                {
                    Assert.True(bitmap.IsDirty(at / 65536), $"seed {seed}: sector {at / 512} differs and is not dirty");
                }
            }
        }

        public void Dispose() => _link?.Dispose();
    }
}
