using Colo.Vmm.Block;

namespace Colo.Vmm.Tests.Block;

/// <summary>What a primary does to the disk that its secondary may take over in the middle of a request.</summary>
public sealed class SharedStorageTests : IDisposable
{
    private const int Piece = SharedStorageDevice.PieceMax;
    private const int Size = 4 * Piece;
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    private readonly ManualTime _time = new();
    private readonly LossyFile _disk;
    private readonly byte[] _before;
    private readonly HookedFile _file;
    private readonly DiskBuffer _buffer;
    private readonly LinkPair _pair = new();
    private readonly DiskLinkSender _link;
    private readonly SharedStorageDevice _device;

    public SharedStorageTests()
    {
        _before = new byte[Size];
        new Random(1).NextBytes(_before);
        _disk = new LossyFile(1, _before);
        _file = new HookedFile(_disk);
        _buffer = new DiskBuffer(_disk, new LossyFile(2), new DiskBufferOptions());
        Assert.Equal(BlockStatus.Ok, _buffer.Start(1, 1));
        _pair.Receive(_buffer, term: 1, shared: true);
        _link = new DiskLinkSender(_pair.Near, new DiskLinkOptions(), 1, 1, Size);
        _device = new SharedStorageDevice(new RawFileDevice(_file), _time);
        _device.Attach(_link, paired: true);
    }

    public void Dispose()
    {
        _link.Dispose();
        _pair.Dispose();
        _device.Dispose();
        _buffer.Dispose();
        _file.Dispose();
    }

    [Fact]
    public async Task A_discard_ends_where_the_lease_was_lost_and_the_takeover_undoes_what_was_done()
    {
        LoseBehindTheFirstPiece();
        Task<BlockStatus> discard = _device.DiscardAsync(512, Size - 1024).AsTask();
        await AssertHeldBehindOnePieceAsync(discard, new byte[Piece - 512]);

        _device.Fence();
        Assert.Equal(BlockStatus.PeerLost, await discard.WaitAsync(Hang));
        Assert.Equal(_before[Piece..], _disk.Snapshot()[Piece..]);
        Assert.Equal(BlockStatus.Ok, _buffer.Failover(1));
        Assert.Equal(BlockStatus.Ok, _buffer.Merge());
        Assert.Equal(_before, _disk.Snapshot());
    }

    [Fact]
    public async Task A_large_write_waits_where_the_lease_was_lost_and_goes_on_when_this_host_owns_the_disk()
    {
        var data = new byte[Size - 1024];
        new Random(2).NextBytes(data);
        LoseBehindTheFirstPiece();
        Task<BlockStatus> write = _device.WriteAsync(512, data).AsTask();
        await AssertHeldBehindOnePieceAsync(write, data.AsMemory(0, Piece - 512));

        _device.ResumeSolo();
        Assert.Equal(BlockStatus.Ok, await write.WaitAsync(Hang));
        Assert.Equal(data, _disk.Snapshot()[512..^512]);
        Assert.Equal(_before[..512], _disk.Snapshot()[..512]);
        Assert.Equal(_before[^512..], _disk.Snapshot()[^512..]);
    }

    [Fact]
    public async Task A_request_that_takes_longer_than_its_lease_is_made_whole_while_the_secondary_answers()
    {
        // Every write takes as long as half a lease: four of them make a piece of zeroes.
        var written = 0L;
        _file.Written = (_, length) =>
        {
            written += length;
            _time.Advance(SharedStorageDevice.Lease / 2);
        };
        Assert.Equal(BlockStatus.Ok, await _device.WriteZeroesAsync(0, Size, mayUnmap: false).AsTask().WaitAsync(Hang));
        Assert.Equal(Size, written);
        Assert.Equal(new byte[Size], _disk.Snapshot());
        var seen = new byte[Size];
        Assert.Equal(BlockStatus.Ok, _buffer.Read(0, seen));
        Assert.Equal(_before, seen);
    }

    /// <summary>When the disk has made the first piece the secondary stops to answer, and the lease is over.</summary>
    private void LoseBehindTheFirstPiece() => _file.Written = (offset, length) =>
    {
        if (offset + length >= Piece)
        {
            _file.Written = null;
            _pair.Far.Close();
            _time.Advance(SharedStorageDevice.Lease);
        }
    };

    private async Task AssertHeldBehindOnePieceAsync(Task<BlockStatus> request, ReadOnlyMemory<byte> first)
    {
        var lost = new TaskCompletionSource();
        _device.PeerLost = _ => lost.TrySetResult();
        if (!_link.IsLost)
        {
            await Task.WhenAny(lost.Task, request).WaitAsync(Hang);
        }

        Assert.False(request.IsCompleted, "the request went on without a lease");
        byte[] now = _disk.Snapshot();
        Assert.True(now.AsSpan(512, first.Length).SequenceEqual(first.Span), "the first piece was checked and is done");
        Assert.Equal(_before[Piece..], now[Piece..]);
    }
}
