using Colo.Vmm.Block;

namespace Colo.Vmm.Tests.Block;

/// <summary>Comparing the disks of a pair while its guest writes (S10).</summary>
public sealed class DiskVerifyTests
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);
    private long done;

    [Fact]
    public async Task Disks_of_a_pair_are_found_equal_whatever_the_guest_writes_meanwhile()
    {
        for (int seed = 40; seed < 44; seed++)
        {
            using var world = new ForwardingTests.World(seed);
            using var pair = new LinkPair();
            DiskLinkSender link = await world.JoinAsync(pair, epoch: 5);
            Task guest = world.WriteInParallelAsync(80);
            DiskVerifyResult result = await Verify(world, link);
            await guest.WaitAsync(Hang);
            Assert.True(
                result is { Status: BlockStatus.Ok, DifferentBytes: 0, FirstOffset: -1 }, $"seed {seed}: {result}");
            Assert.Equal(world.Device.SizeBytes, result.ComparedBytes);
            Assert.Equal(result.ComparedBytes, done);

            // A checkpoint in the middle of it changes nothing.
            Task<DiskVerifyResult> again = Verify(world, link);
            Assert.True(await world.Device.BarrierAsync(6).AsTask().WaitAsync(Hang));
            Assert.True(await again is { Status: BlockStatus.Ok, DifferentBytes: 0 }, $"seed {seed}: {await again}");
        }
    }

    [Fact]
    public async Task One_changed_byte_on_the_secondarys_disk_is_found_and_its_range_named()
    {
        using var world = new ForwardingTests.World(seed: 50);
        using var pair = new LinkPair();
        DiskLinkSender link = await world.JoinAsync(pair, epoch: 5);
        foreach (long at in (long[])[(9 * 65536) + 77, (10 * 65536) + 3, 40 * 65536])
        {
            byte[] sector = new byte[512];
            long start = at / 512 * 512;
            Assert.Equal(BlockStatus.Ok, world.Peer.Read(start, sector));
            sector[at - start] ^= 1;
            Assert.Equal(BlockStatus.Ok, world.Peer.Write(start, sector));
        }

        DiskVerifyResult result = await Verify(world, link);
        Assert.Equal(BlockStatus.Ok, result.Status);
        Assert.Equal((9 * 65536, 2 * 65536), (result.FirstOffset, result.FirstLength));
        Assert.Equal((2 * 65536) + 1024, result.DifferentBytes);
    }

    [Fact]
    public async Task A_link_that_breaks_ends_the_comparison_with_what_was_done()
    {
        using var world = new ForwardingTests.World(seed: 51);
        using var pair = new LinkPair();
        DiskLinkSender link = await world.JoinAsync(pair, epoch: 5);
        DiskVerifyResult result = await new DiskVerify(world.Device, link, 0, TimeProvider.System)
            .RunAsync(compared => pair.Far.Close(), CancellationToken.None).WaitAsync(Hang);
        Assert.Equal(BlockStatus.PeerLost, result.Status);
        Assert.InRange(result.ComparedBytes, 65536, world.Device.SizeBytes - 1);
        Assert.Equal(BlockStatus.Ok, await world.Device.WriteAsync(0, new byte[512]).AsTask().WaitAsync(Hang));
    }

    private Task<DiskVerifyResult> Verify(ForwardingTests.World world, DiskLinkSender link) =>
        new DiskVerify(world.Device, link, 0, TimeProvider.System)
            .RunAsync(compared => done = compared, CancellationToken.None).WaitAsync(Hang);
}
