using System.Net;
using System.Net.Sockets;
using Colo.Actors.Vm.Embedded;
using Colo.Vmm.Block;

namespace Colo.Actors.Tests.Vm;

/// <summary>One disk of an owner and its copy, without a guest: what it tells, and when a pair may begin.</summary>
public sealed class ReplicatedDiskTests : IDisposable
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    private readonly string folder = Directory.CreateTempSubdirectory("colo-disk-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task An_error_of_the_disk_reaches_the_guest_and_is_told_once_however_often_it_comes()
    {
        string image = Path.Combine(folder, "image");
        await File.WriteAllBytesAsync(image, new byte[1 << 20]);
        var faults = new DiskFaults();
        var told = new List<bool>();
        using var disk = new ReplicatedDisk(
            new ReplicatedDiskOptions(
                image, Path.Combine(folder, "bitmap"), Path.Combine(folder, "buffer"), 1 << 20, new DiskLinkOptions(),
                0)
            {
                Faults = faults,
            },
            _ => { }, told.Add, _ => { }, new StoppedTime());
        Assert.Null(disk.Own());
        Assert.Equal(BlockStatus.Ok, await disk.Device.WriteAsync(0, new byte[512]));
        Assert.Empty(told);

        faults.WritesFail = true;
        Assert.Equal(BlockStatus.IoError, await disk.Device.WriteAsync(0, new byte[512]));
        Assert.Equal(BlockStatus.IoError, await disk.Device.FlushAsync());
        Assert.Equal(BlockStatus.Ok, await disk.Device.ReadAsync(0, new byte[512]));
        Assert.Equal([true], told);

        faults.WritesFail = false;
        Assert.Equal(BlockStatus.Ok, await disk.Device.FlushAsync());
        Assert.Equal([true], told);
    }

    [Fact]
    public async Task Without_a_secondary_there_is_nothing_to_compare_with()
    {
        string image = Path.Combine(folder, "image");
        await File.WriteAllBytesAsync(image, new byte[1 << 20]);
        using var disk = new ReplicatedDisk(
            new ReplicatedDiskOptions(
                image, Path.Combine(folder, "bitmap"), Path.Combine(folder, "buffer"), 1 << 20, new DiskLinkOptions(),
                0),
            _ => { }, _ => { }, _ => { }, TimeProvider.System);
        Assert.Null(disk.Own());
        DiskVerifyResult result = await disk.VerifyAsync(_ => { }, CancellationToken.None);
        Assert.Equal((BlockStatus.PeerLost, 0), (result.Status, result.ComparedBytes));
    }

    [Fact]
    public async Task A_part_that_is_dirty_when_the_pair_begins_is_copied_then_and_not_overlooked()
    {
        const int size = 4 * DirtyBitmap.Granularity;
        await File.WriteAllBytesAsync(Path.Combine(folder, "a"), new byte[size]);
        await File.WriteAllBytesAsync(Path.Combine(folder, "b"), new byte[size]);
        using ReplicatedDisk owner = Open("a");
        using ReplicatedDisk joiner = Open("b");
        byte[] data = [.. Enumerable.Repeat((byte)7, 4096)];
        Assert.Null(owner.Own());
        Assert.Equal(BlockStatus.Ok, await owner.Device.WriteAsync(DirtyBitmap.Granularity, data));
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var near = new TcpClient();
        await near.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        using TcpClient far = await listener.AcceptTcpClientAsync();
        joiner.Receive(far.GetStream(), 1, _ => { }, () => { });
        bool lost = false;
        Assert.True(owner.Connect(near.GetStream(), 1, 4, () => lost = true));

        // The copy has passed without it.
        owner.CompletePair();
        bool Arrived()
        {
            byte[] seen = new byte[data.Length];
            using var file = new OsFile(Path.Combine(folder, "b"), readOnly: true);
            return file.Read(DirtyBitmap.Granularity, seen) == BlockStatus.Ok && seen.AsSpan().SequenceEqual(data);
        }

        Assert.True(SpinWait.SpinUntil(Arrived, Hang), "the dirty part never came to the peer");
        Assert.False(lost);
    }

    [Fact]
    public async Task A_takeover_whose_merge_failed_is_completed_before_a_guest_boots_from_the_disk()
    {
        string image = Path.Combine(folder, "image");
        await File.WriteAllBytesAsync(image, new byte[1 << 20]);
        bool full = false;
        using var disk = new ReplicatedDisk(
            new ReplicatedDiskOptions(
                image, Path.Combine(folder, "bitmap"), Path.Combine(folder, "buffer"), 1 << 20, new DiskLinkOptions(),
                0)
            {
                Files = (path, mode) => new FullFile(new OsFile(path, mode), () => full && path == image),
            },
            _ => { }, _ => { }, _ => { }, TimeProvider.System);
        var seen = (RoleDevice)disk.Device;
        Assert.Null(disk.Own());
        IBlockDevice owners = seen.Current;
        Assert.Null(disk.StepBack(term: 2, epoch: 1));
        Assert.Equal(BlockStatus.Ok, await disk.Device.WriteAsync(4096, Enumerable.Repeat((byte)7, 512).ToArray()));

        full = true;
        Assert.Equal(BlockStatus.NoSpace, disk.TakeOver());
        Assert.Equal(BlockStatus.NoSpace, disk.TakeOver());
        Assert.Contains("NoSpace", disk.Own(), StringComparison.Ordinal);

        full = false;
        Assert.Null(disk.Own());
        Assert.Same(owners, seen.Current);
        Assert.Equal(7, (await File.ReadAllBytesAsync(image))[4096]);
    }

    [Fact]
    public async Task A_guest_that_boots_while_a_takeover_is_merged_does_not_write_to_its_buffer()
    {
        string image = Path.Combine(folder, "image");
        await File.WriteAllBytesAsync(image, new byte[1 << 20]);
        using var disk = new ReplicatedDisk(
            new ReplicatedDiskOptions(
                image, Path.Combine(folder, "bitmap"), Path.Combine(folder, "buffer"), 1 << 20, new DiskLinkOptions(),
                0),
            _ => { }, _ => { }, _ => { }, TimeProvider.System);
        var seen = (RoleDevice)disk.Device;
        IBlockDevice owners = seen.Current;
        Assert.Null(disk.StepBack(term: 2, epoch: 1));
        Assert.Equal(BlockStatus.Ok, await disk.Device.WriteAsync(4096, Enumerable.Repeat((byte)7, 512).ToArray()));
        Assert.Null(disk.Own()); // the takeover's own thread has not come to its merge
        Assert.Same(owners, seen.Current);
        Assert.Equal(7, (await File.ReadAllBytesAsync(image))[4096]);
        Assert.Equal(BlockStatus.Ok, disk.TakeOver());
    }

    /// <summary>A file whose file system is full while somebody says so.</summary>
    private sealed class FullFile(IStorageFile file, Func<bool> isFull) : IStorageFile
    {
        public long Length => file.Length;

        public BlockStatus Read(long offset, Span<byte> destination) => file.Read(offset, destination);

        public BlockStatus Write(long offset, ReadOnlySpan<byte> source) =>
            isFull() ? BlockStatus.NoSpace : file.Write(offset, source);

        public BlockStatus Flush() => file.Flush();

        public BlockStatus SetLength(long length) => file.SetLength(length);

        public BlockStatus ZeroRange(long offset, long length, bool mayUnmap) =>
            isFull() ? BlockStatus.NoSpace : file.ZeroRange(offset, length, mayUnmap);

        public bool IsAllocated(long offset, out long end) => file.IsAllocated(offset, out end);

        public void Dispose() => file.Dispose();
    }

    private ReplicatedDisk Open(string name) => new(
        new ReplicatedDiskOptions(
            Path.Combine(folder, name), Path.Combine(folder, name + ".bitmap"), Path.Combine(folder, name + ".buffer"),
            1 << 20, new DiskLinkOptions(), 0),
        _ => { }, _ => { }, _ => { }, TimeProvider.System);

    /// <summary>A clock that stands: nothing is ever a second later.</summary>
    private sealed class StoppedTime : TimeProvider
    {
        public override long GetTimestamp() => 1;
    }
}
