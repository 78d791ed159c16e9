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

    /// <summary>A clock that stands: nothing is ever a second later.</summary>
    private sealed class StoppedTime : TimeProvider
    {
        public override long GetTimestamp() => 1;
    }
}
