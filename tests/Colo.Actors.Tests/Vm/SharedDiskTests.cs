using System.Net;
using System.Net.Sockets;
using Colo.Actors.Vm.Embedded;
using Colo.Vmm.Block;

namespace Colo.Actors.Tests.Vm;

/// <summary>Two hosts with one disk, without a guest: what each role does to the disk, and what it never
/// does.</summary>
public sealed class SharedDiskTests : IDisposable
{
    private const int Size = 4 * DirtyBitmap.Granularity;
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    private readonly string folder = Directory.CreateTempSubdirectory("colo-shared-").FullName;
    private readonly List<IDisposable> opened = [];
    private readonly SharedDisk a;
    private readonly SharedDisk b;

    public SharedDiskTests()
    {
        File.WriteAllBytes(Image, Filled(1, Size));
        a = Open("a", Image);
        b = Open("b", Image);
    }

    private string Image => Path.Combine(folder, "disk.img");

    public void Dispose()
    {
        opened.ForEach(thing => thing.Dispose());
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task The_secondarys_guest_sees_its_own_epoch_and_a_takeover_brings_it_back()
    {
        Pair(a, b, term: 1, epoch: 5);
        await WriteAsync(a, 0, 2);
        await WriteAsync(b, DirtyBitmap.Granularity, 3);
        Assert.Equal(2, OnDisk(0));
        Assert.Equal(1, OnDisk(DirtyBitmap.Granularity));
        Assert.Equal(1, await ReadAsync(b, 0));
        Assert.Equal(3, await ReadAsync(b, DirtyBitmap.Granularity));

        Checkpoint(a, b, 6);
        Assert.Equal(2, await ReadAsync(b, 0));
        Assert.Equal(1, await ReadAsync(b, DirtyBitmap.Granularity));
        await WriteAsync(a, 0, 4);
        await WriteAsync(b, 2 * DirtyBitmap.Granularity, 5);

        Assert.Equal(BlockStatus.Ok, b.TakeOver());
        b.Detach("solo");
        Assert.Equal(2, OnDisk(0));
        Assert.Equal(5, OnDisk(2 * DirtyBitmap.Granularity));
        await WriteAsync(b, 0, 6);
        Assert.Equal(6, OnDisk(0));
    }

    [Fact]
    public async Task A_primary_that_wakes_up_after_it_was_given_up_writes_nothing()
    {
        Pair(a, b, term: 1, epoch: 5);
        await WriteAsync(a, 0, 2);
        Assert.Equal(BlockStatus.Ok, b.TakeOver());
        b.Detach("solo");
        await WriteAsync(b, 0, 7);

        // The part is kept already: without a lease this write would go to the disk at once.
        Task<BlockStatus> late = a.Device.WriteAsync(0, Filled(9, 4096)).AsTask();
        Task<BlockStatus> elsewhere = a.Device.WriteAsync(3 * DirtyBitmap.Granularity, Filled(9, 4096)).AsTask();
        await WriteAsync(b, DirtyBitmap.Granularity, 8);
        Assert.False(late.IsCompleted);
        a.Abandon();
        Assert.Equal(BlockStatus.PeerLost, await late.WaitAsync(Hang));
        Assert.Equal(BlockStatus.PeerLost, await elsewhere.WaitAsync(Hang));
        Assert.Equal(7, OnDisk(0));
        Assert.Equal(1, OnDisk(3 * DirtyBitmap.Granularity));
    }

    [Fact]
    public async Task A_primary_whose_secondary_is_lost_goes_on_when_it_owns_the_vm_alone()
    {
        Socket[] link = Pair(a, b, term: 1, epoch: 5);
        link[1].Close();
        Task<BlockStatus> held = a.Device.WriteAsync(0, Filled(2, 4096)).AsTask();
        await Task.WhenAny(held, Task.Delay(TimeSpan.FromMilliseconds(200)));
        Assert.False(held.IsCompleted);
        a.StopExpecting();
        Assert.False(held.IsCompleted);
        a.Detach("solo");
        Assert.Equal(BlockStatus.Ok, await held.WaitAsync(Hang));
        Assert.Equal(2, OnDisk(0));
    }

    [Fact]
    public async Task Hosts_that_exchange_their_roles_go_on_over_the_same_disk()
    {
        Pair(a, b, term: 1, epoch: 5);
        await WriteAsync(a, 0, 2);
        Checkpoint(a, b, 6);
        Assert.Null(a.StepBack(2, 6));
        Assert.Null(b.Promote(2));
        Task<BlockStatus> waits = b.Device.WriteAsync(0, Filled(3, 4096)).AsTask();
        Assert.False(waits.IsCompleted);
        Connect(b, a, term: 2, epoch: 6);
        Assert.Equal(BlockStatus.Ok, await waits.WaitAsync(Hang));
        Assert.Equal(2, await ReadAsync(a, 0));
        Assert.Equal(3, OnDisk(0));
        Assert.Equal(BlockStatus.Ok, a.TakeOver());
        Assert.Equal(2, OnDisk(0));
    }

    [Fact]
    public void Two_files_of_one_size_are_not_one_disk()
    {
        string other = Path.Combine(folder, "other.img");
        File.WriteAllBytes(other, new byte[Size]);
        SharedDisk wrong = Open("c", other);
        Socket[] link = Sockets();
        wrong.Receive(new NetworkStream(link[1]), 1, _ => { }, () => { });
        Assert.False(a.Connect(new NetworkStream(link[0]), 1, 4, () => { }));
    }

    [Fact]
    public async Task A_takeover_that_a_crash_cut_short_is_completed_when_the_host_is_the_owner_again_and_not_before()
    {
        Pair(a, b, term: 1, epoch: 5);
        for (int part = 0; part < 4; part++)
        {
            await WriteAsync(a, part * DirtyBitmap.Granularity, 2);
        }

        // What b would do, cut short after the first step.
        using (var image = new OsFile(Image))
        using (var buffer = new DiskBuffer(
            image, new OsFile(BufferOf("d"), FileMode.OpenOrCreate), new DiskBufferOptions()))
        {
            byte[] original = Filled(1, DirtyBitmap.Granularity);
            Assert.Equal(BlockStatus.Ok, buffer.Start(1, 5));
            for (int part = 0; part < 4; part++)
            {
                Assert.Equal(BlockStatus.Ok, buffer.KeepOriginal(5, part * DirtyBitmap.Granularity, original));
            }

            Assert.Equal(BlockStatus.Ok, buffer.Failover(5));
            Assert.Equal(BlockStatus.Ok, buffer.MergeStep(1, out bool complete));
            Assert.False(complete);
        }

        using SharedDisk again = Open("d", Image);
        Assert.Equal(2, OnDisk(3 * DirtyBitmap.Granularity));
        Assert.Null(again.Own());
        Assert.All(Enumerable.Range(0, 4), part => Assert.Equal(1, OnDisk(part * DirtyBitmap.Granularity)));
    }

    private static byte[] Filled(byte value, int length)
    {
        byte[] bytes = new byte[length];
        Array.Fill(bytes, value);
        return bytes;
    }

    private static void Checkpoint(SharedDisk primary, SharedDisk secondary, ulong epoch)
    {
        primary.Barrier(epoch);
        Assert.True(SpinWait.SpinUntil(() => secondary.Checkpoint(epoch) is null, Hang));
    }

    private static async Task WriteAsync(SharedDisk disk, long offset, byte value) => Assert.Equal(
        BlockStatus.Ok, await disk.Device.WriteAsync(offset, Filled(value, 4096)).AsTask().WaitAsync(Hang));

    private static async Task<int> ReadAsync(SharedDisk disk, long offset)
    {
        byte[] seen = new byte[4096];
        Assert.Equal(BlockStatus.Ok, await disk.Device.ReadAsync(offset, seen));
        return Assert.Single(seen.Distinct());
    }

    /// <summary>A secondary that is filled, and the first barrier.</summary>
    private Socket[] Pair(SharedDisk primary, SharedDisk secondary, ulong term, ulong epoch)
    {
        Assert.Null(primary.Own());
        Socket[] link = Connect(primary, secondary, term, epoch - 1);
        Checkpoint(primary, secondary, epoch);
        return link;
    }

    private Socket[] Connect(SharedDisk primary, SharedDisk secondary, ulong term, ulong epoch)
    {
        Socket[] link = Sockets();
        secondary.Receive(new NetworkStream(link[1]), term, _ => { }, () => { });
        Assert.True(primary.Connect(new NetworkStream(link[0]), term, epoch, () => { }));
        return link;
    }

    private int OnDisk(long offset)
    {
        using FileStream file = File.OpenRead(Image);
        file.Seek(offset, SeekOrigin.Begin);
        return file.ReadByte();
    }

    private string BufferOf(string host) => Path.Combine(folder, host + ".buffer");

    private SharedDisk Open(string host, string image)
    {
        var options = new ReplicatedDiskOptions(image, string.Empty, BufferOf(host), 1 << 20, new DiskLinkOptions(), 0)
        {
            Shared = true,
        };
        var disk = new SharedDisk(options, _ => { }, _ => { }, _ => { }, TimeProvider.System);
        opened.Add(disk);
        return disk;
    }

    private Socket[] Sockets()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var near = new Socket(SocketType.Stream, ProtocolType.Tcp);
        near.Connect(listener.LocalEndpoint);
        Socket far = listener.AcceptSocket();
        opened.AddRange([near, far]);
        return [near, far];
    }
}
