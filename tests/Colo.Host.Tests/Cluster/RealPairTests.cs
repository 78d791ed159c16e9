using System.Diagnostics;
using System.Globalization;
using Colo.Actors.Protocol;
using Colo.Host.Node;

namespace Colo.Host.Tests.Cluster;

/// <summary>
/// What happens to disks, queues and memory of a protected pair, with real machines in the nodes of one process (F19,
/// F24, F28, F31): the guest goes on, the operator is told, and the pair is whole afterwards.
/// </summary>
public sealed class RealPairTests(RealPairTests.Shared shared) : IClassFixture<RealPairTests.Shared>
{
    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(4);

    private readonly RealPair pair = shared.Pair;

    [Fact]
    public async Task A_primary_whose_disk_cannot_be_read_hands_its_guest_over()
    {
        pair.Begin();
        LoopbackNode former = await pair.PrimaryAsync();
        LoopbackNode other = pair.Other(former);
        await RealPair.GoesOnAsync(former);
        (long before, long since) = (former.Runtime.Events.LastId, other.Runtime.Events.LastId);
        await OrderAsync(former, "/faults/F19?vm=web&for=10m");
        LoggedEvent error = await former.WhenAsync("web", EventCode.LocalDiskError, before);
        Assert.Equal("read", error.Summary);
        await other.WhenAsync("web", EventCode.TookOver, since);
        await RealPair.GoesOnAsync(other);
        Assert.True((await former.Http.DeleteAsync("/faults")).IsSuccessStatusCode);
        await other.WhenAsync("web", EventCode.PairEstablished, since);
        await former.WhenAsync("web", EventCode.PairEstablished, before);
        await pair.AssertEqualAsync(other);
    }

    [Fact]
    public async Task A_disk_buffer_that_fills_up_asks_for_a_checkpoint_each_time_and_the_pair_stays()
    {
        pair.Begin();
        LoopbackNode primary = await pair.PrimaryAsync();
        LoopbackNode secondary = pair.Other(primary);
        (long began, long here) = (primary.Runtime.Events.LastId, secondary.Runtime.Events.LastId);
        for (int round = 0; round < 3; round++)
        {
            long before = secondary.Runtime.Events.LastId;
            await WritesUntilAsync(primary, secondary, EventCode.DiskBufferHigh, before);
            await secondary.WhenAsync("web", EventCode.CheckpointLoaded, before);
        }

        await RealPair.GoesOnAsync(primary);
        await pair.AssertEqualAsync(primary);
        Assert.False(Has(primary, EventCode.PeerLost, began));
        Assert.False(Has(secondary, EventCode.FailoverStarted, here));
    }

    [Fact]
    public async Task A_secondary_whose_disk_buffer_has_no_room_leaves_the_pair_and_joins_again()
    {
        pair.Begin();
        LoopbackNode primary = await pair.PrimaryAsync();
        LoopbackNode secondary = pair.Other(primary);
        (long before, long here) = (primary.Runtime.Events.LastId, secondary.Runtime.Events.LastId);
        shared.Faults[secondary].Fill(".buffer");
        await WritesUntilAsync(primary, primary, EventCode.WentSolo, before);
        Assert.True(shared.Faults[secondary].Refused > 0);
        LoggedEvent why = await secondary.WhenAsync("web", EventCode.ReplicaDiscarded, here);
        Assert.Matches("disk buffer full|the local disk fails", why.Summary);
        await MendAsync(primary, secondary);
    }

    [Fact]
    public async Task A_secondary_whose_disk_hangs_is_given_up_when_the_queue_to_it_is_full()
    {
        pair.Begin();
        LoopbackNode primary = await pair.PrimaryAsync();
        LoopbackNode secondary = pair.Other(primary);
        long before = primary.Runtime.Events.LastId;
        shared.Faults[secondary].Stick(".disk");
        long most = 0;
        await WritesUntilAsync(
            primary, primary, EventCode.WentSolo, before,
            () => most = Math.Max(most, primary.Runtime.Find("web")!.Backend!.Inspect().DiskLagBytes));
        Assert.True(shared.Faults[secondary].Waiting > 0);
        Assert.InRange(most, 0, Shared.LagBytes);
        await MendAsync(primary, secondary);
    }

    [Fact]
    public async Task A_guest_that_writes_memory_faster_than_the_link_is_slowed_told_and_protected()
    {
        pair.Begin();
        LoopbackNode primary = await pair.PrimaryAsync();
        await RealPair.TypeAsync(primary, "d", "DIRTIES");
        long before = primary.Runtime.Events.LastId;

        // On a busy machine the guest may get too little time of the processor to outrun anything.
        var clock = Stopwatch.StartNew();
        while (!Has(primary, EventCode.GuestThrottled, before))
        {
            Assert.True(clock.Elapsed < Hang, "the guest is never slowed");
            long alone = primary.Runtime.Events.LastId;
            await OrderAsync(primary, "/vms/web/unprotect");
            await OrderAsync(primary, "/vms/web/protect");
            await primary.WhenAsync("web", EventCode.PairEstablished, alone);
        }

        primary.Runtime.Find("web")!.Console.Type("\n"u8);
        await RealPair.GoesOnAsync(primary);
        await pair.AssertEqualAsync(primary);
    }

    [Fact]
    public async Task After_an_exchange_of_roles_a_checkpoint_takes_what_changed_and_not_all_memory()
    {
        pair.Begin();
        for (int turn = 0; turn < 2; turn++)
        {
            LoopbackNode former = await pair.PrimaryAsync();
            LoopbackNode next = pair.Other(former);
            (long there, long here) = (former.Runtime.Events.LastId, next.Runtime.Events.LastId);
            await OrderAsync(former, "/vms/web/switchover");
            await former.WhenAsync("web", EventCode.SwitchoverDone, there);
            await next.WhenAsync("web", EventCode.SwitchoverDone, here);
            await RealPair.GoesOnAsync(next);
            await RealPair.GoesOnAsync(former); // the replica's guest goes on, too
            await OrderAsync(next, "/vms/web/checkpoint");
            LoggedEvent captured = await next.WhenAsync("web", EventCode.CheckpointCaptured, here);
            int pages = int.Parse(captured.Summary.Split(' ')[1], CultureInfo.InvariantCulture);
            Assert.InRange(pages, 1, 1024); // of 4096
            await former.WhenAsync("web", EventCode.CheckpointLoaded, there);
            await pair.AssertEqualAsync(next);
        }
    }

    /// <summary>Lets the guest of the primary write until a node tells this.</summary>
    /// <param name="look">After each piece.</param>
    private static async Task WritesUntilAsync(
        LoopbackNode primary, LoopbackNode told, EventCode code, long after, Action? look = null)
    {
        var clock = Stopwatch.StartNew();
        while (!Has(told, code, after))
        {
            Assert.True(clock.Elapsed < Hang, $"{told.Name} does not tell {code}: {string.Join('\n', told.Lines)}");
            await RealPair.WriteAsync(primary);
            look?.Invoke();
        }
    }

    /// <summary>The guest goes on alone, and in a pair when nothing is wrong with the secondary any more.</summary>
    private async Task MendAsync(LoopbackNode primary, LoopbackNode secondary)
    {
        await RealPair.GoesOnAsync(primary);
        long before = primary.Runtime.Events.LastId;
        shared.Faults[secondary].Mend();
        await primary.WhenAsync("web", EventCode.PairEstablished, before);
        await pair.AssertEqualAsync(primary);
    }

    private static async Task OrderAsync(LoopbackNode node, string path)
    {
        HttpResponseMessage answer = await node.Http.PostAsync(path, null);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static bool Has(LoopbackNode node, EventCode code, long after) =>
        node.Runtime.Events.After(after).Any(logged => logged.Code == (int)code);

    /// <summary>One pair for all, with low bounds; each test leaves it whole.</summary>
    public sealed class Shared : IAsyncLifetime
    {
        public const long LagBytes = 4 << 20;
        private const int DiskBytes = 32 << 20;

        public Shared() => Pair = new RealPair(
            "checkpoint { period = 10m }, disk { buffer-memory = 1MiB, buffer-limit = 16MiB, lag-limit = 4MiB }",
            DiskBytes, node =>
            {
                Faults[node] = new FileFaults();
                node.Files = Faults[node].Open;
            });

        internal RealPair Pair { get; }

        internal Dictionary<LoopbackNode, FileFaults> Faults { get; } = [];

        public Task InitializeAsync() => Pair.StartAsync();

        public async Task DisposeAsync()
        {
            foreach (FileFaults faults in Faults.Values)
            {
                faults.Mend();
            }

            await Pair.DisposeAsync();
        }
    }
}
