using Colo.Actors.Vm.Embedded;
using Colo.Vmm.Block;

namespace Colo.Actors.Tests.Vm;

/// <summary>A disk that fails under its owner's guest.</summary>
public sealed class ReplicatedDiskTests : IDisposable
{
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

    /// <summary>A clock that stands: nothing is ever a second later.</summary>
    private sealed class StoppedTime : TimeProvider
    {
        public override long GetTimestamp() => 1;
    }
}
