using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Colo.Vmm.Qemu;

namespace Colo.EndToEnd.Qemu;

/// <summary>Pairs of real QEMUs under KVM, made and kept by real node processes; the guest is a boot sector that
/// counts.</summary>
[Trait("Category", "e2e")]
public sealed class QemuPairTests
{
    [KvmFact]
    public void Survives_the_loss_of_either_QEMU_three_times_in_a_row()
    {
        using QemuCluster cluster = Started("counter");
        cluster.AwaitCheckpoints(0, 5);

        LoseQemu(cluster, owner: 0);
        cluster.WhenProtected(primary: 1);
        LoseQemu(cluster, owner: 1);
        cluster.WhenProtected(primary: 0);
        LoseQemu(cluster, owner: 0);
        long pair = cluster.WhenProtected(primary: 1);

        // The other side of it: the secondary is lost, and what the guest wrote since the disks were equal is all that
        // is copied. It writes with each 16th count, before it prints the next.
        int counted = CountOf(cluster, 1);
        cluster.Until("the guest has written", () => CountOf(cluster, 1) > counted + 16);
        cluster.Signal(0, "KILL");
        cluster.WhenProtected(primary: 1, after: pair);
        long full = CopiedBytes(cluster, 1, "Full");
        Assert.True(full >= 1 << 20, $"a full copy: {full}");
        Assert.InRange(CopiedBytes(cluster, 1, "Bitmaps"), 1, full / 2);

        AssertDiskHasNoGap(cluster, node: 1);
        AssertDiskHasNoGap(cluster, node: 0);
    }

    [KvmFact]
    public void The_loss_of_the_primarys_node_process_is_a_takeover_and_its_QEMU_ends_when_the_node_is_back()
    {
        // However long a QEMU stands below, it is not given up for that.
        using QemuCluster cluster = Started("counter", "qemu { hang-timeout = 10m }");
        int orphan = cluster.QemuOf(0);
        int counted = CountInACheckpoint(cluster, 0);
        int alone = cluster.TimesAlone(1);

        cluster.KillNode(0);

        AssertTakesOver(cluster, 1, alone, counted);
        Assert.True(QemuCluster.Lives(orphan), "the orphan is QEMU's own process and must not have ended with the node");

        cluster.Start(0);
        cluster.WhenProtected(primary: 1);
        Assert.False(QemuCluster.Lives(orphan));
        AssertDiskHasNoGap(cluster, node: 1);

        LoseQemuInACheckpoint(cluster, owner: 1);
        cluster.WhenProtected(primary: 0);
        AssertDiskHasNoGap(cluster, node: 0);
    }

    [KvmFact]
    public void A_QEMU_that_hangs_is_killed_and_the_other_goes_on()
    {
        using QemuCluster cluster = Started("counter", "qemu { hang-timeout = 8s }");
        int stopped = cluster.QemuOf(0);

        cluster.Signal(0, "STOP");

        cluster.WhenProtected(primary: 1);
        Assert.False(QemuCluster.Lives(stopped));
        // What a node prints comes a moment after the state that it answers with.
        cluster.Until("the node says that its QEMU hangs", () => cluster.Events(0, "ReplicaDiscarded").Any(
            line => line.Contains("hangs", StringComparison.Ordinal)));
        AssertCountsOn(cluster, 1);
    }

    [KvmFact]
    public void A_guest_that_runs_alone_is_taken_up_again_by_a_restarted_node_and_can_be_switched_over()
    {
        using var cluster = new QemuCluster("counter");
        cluster.Start(0);
        cluster.When(0, "alone", view => QemuCluster.Text(view, "role") == "Solo");
        cluster.Until("the guest has booted", () => cluster.Printed(0).Length > 3);
        int qemu = cluster.QemuOf(0);

        cluster.KillNode(0);
        int printed = cluster.Printed(0).Length;
        cluster.Until("the guest goes on without its node", () => cluster.Printed(0).Length > printed + 3);
        cluster.Start(0);
        cluster.When(0, "alone again", view => QemuCluster.Text(view, "role") == "Solo");

        Assert.Equal(qemu, cluster.QemuOf(0));
        Assert.True(QemuCluster.Lives(qemu));
        cluster.Start(1);
        cluster.WhenProtected(primary: 0);
        int[] counts = [.. cluster.Printed(0).Select(Count)];
        Assert.Equal(Enumerable.Range(1, counts.Length), counts);

        // A switchover is a takeover after a checkpoint.
        (int Status, string Body)? answer = cluster.Request(0, "POST", $"/vms/{QemuCluster.Vm}/switchover");
        Assert.True(answer is { Status: 200 }, $"{answer}\n{cluster.Logs()}");
        cluster.WhenProtected(primary: 1);
        AssertCountsOn(cluster, 1);
    }

    [KvmFact]
    public async Task A_pair_whose_COLO_has_ended_by_itself_is_made_anew()
    {
        using QemuCluster cluster = Started(
            "counter", "qemu { arguments = [\"-qmp\", \"unix:FOLDER/NODE.sock,server=on,wait=off\"] }");
        await using QemuMonitor beside = await QemuMonitor.ConnectAsync(
            Path.Combine(cluster.Folder, "0.sock"), _ => { }, TimeProvider.System, TimeSpan.FromMinutes(1),
            CancellationToken.None);
        long term = QemuCluster.TermOf(cluster.When(0, "any", _ => true));

        // Behind the node's back, QEMU's stream of checkpoints is cut: both QEMUs live on and send COLO_EXIT.
        var migration = new JsonObject { ["instances"] = new JsonArray(new JsonObject { ["type"] = "migration" }) };
        await beside.AskAsync("yank", TimeSpan.FromMinutes(1), migration);

        int primary = -1;
        cluster.Until("a pair of a later term", () => (primary = Array.FindIndex([0, 1], IsPrimaryAfter)) >= 0);
        AssertCountsOn(cluster, primary);

        bool IsPrimaryAfter(int node)
        {
            JsonElement view = cluster.When(node, "any", _ => true);
            return QemuCluster.Text(view, "role") == "Primary" && QemuCluster.Text(view, "protection") == "Protected"
                && QemuCluster.TermOf(view) > term;
        }
    }

    [KvmFact]
    public void Protect_names_the_key_of_what_QEMU_would_refuse_and_starts_nothing()
    {
        using var cluster = new QemuCluster("counter", "qemu { machine = pdp11, cpu = z80 }, disks = [{ path = /nowhere.img, device = drum }]");
        cluster.Start(0);
        cluster.When(0, "told", _ => true);

        (int Status, string Body)? answer = cluster.Request(0, "POST", $"/vms/{QemuCluster.Vm}/protect");

        Assert.Equal(409, answer?.Status);
        Assert.All(
            (string[])["qemu.machine is 'pdp11'", "qemu.cpu is 'z80'", "disks[0].device is 'drum'", "disks[0].path is '/nowhere.img'"],
            part => Assert.Contains($"colo.vms.{QemuCluster.Vm}.{part}", answer!.Value.Body.Replace("\\u0027", "'", StringComparison.Ordinal), StringComparison.Ordinal));
        Assert.False(File.Exists(Path.Combine(cluster.Folder, "s0", QemuCluster.Vm, "state.json")));
    }

    [KvmFact]
    public void Images_of_two_sizes_are_no_pair_and_the_guest_goes_on_alone()
    {
        using var cluster = new QemuCluster("counter", secondBytes: 2 << 20);
        cluster.Start(0);
        cluster.Start(1);
        cluster.Until("the offer is refused", () => cluster.Events(0, "JoinAborted").Count > 0);

        (int Status, string Body)? answer = cluster.Request(0, "POST", $"/vms/{QemuCluster.Vm}/protect");

        Assert.Equal(409, answer?.Status);
        Assert.Contains("1048576 bytes on node-0, 2097152 on node-1", answer!.Value.Body, StringComparison.Ordinal);
        Assert.Equal("Solo", QemuCluster.Text(cluster.When(0, "any", _ => true), "role"));
    }

    private static QemuCluster Started(string guest, string keys = "")
    {
        var cluster = new QemuCluster(guest, keys);
        cluster.Start(0);
        cluster.Start(1);
        cluster.WhenProtected(primary: 0);
        cluster.Until("the guest has booted on both", () => cluster.Printed(0).Length > 0 && cluster.Printed(1).Length > 0);
        return cluster;
    }

    private static void LoseQemu(QemuCluster cluster, int owner)
    {
        int counted = CountInACheckpoint(cluster, owner);
        int alone = cluster.TimesAlone(1 - owner);
        cluster.Signal(owner, "KILL");
        AssertTakesOver(cluster, 1 - owner, alone, counted);
    }

    /// <summary>The primary dies in the middle of a checkpoint, which leaves the secondary's own state.</summary>
    private static void LoseQemuInACheckpoint(QemuCluster cluster, int owner)
    {
        // The secondary stands still, so the primary's next checkpoint cannot end; then the primary is gone for good.
        // Nothing tells that the checkpoint has begun, so five periods are given to it.
        int counted = CountInACheckpoint(cluster, owner);
        int before = cluster.TimesAlone(1 - owner);
        cluster.Signal(1 - owner, "STOP");
        long epoch = -1;
        var standing = new Stopwatch();
        cluster.When(owner, "a checkpoint that does not end", view =>
        {
            long now = view.GetProperty("epoch").GetInt64();
            if (now != epoch)
            {
                standing.Restart();
            }

            epoch = now;
            return standing.Elapsed > TimeSpan.FromSeconds(2);
        });
        cluster.Signal(owner, "KILL");
        cluster.Signal(1 - owner, "CONT");

        AssertTakesOver(cluster, 1 - owner, before, counted);
    }

    /// <summary>A count that the guest has reached before a checkpoint which the secondary has.</summary>
    private static int CountInACheckpoint(QemuCluster cluster, int owner)
    {
        int counted = CountOf(cluster, owner);
        cluster.AwaitCheckpoints(owner, 2); // one may have begun before
        return counted;
    }

    /// <summary>The survivor goes on without a gap, and not from before the last checkpoint.</summary>
    private static void AssertTakesOver(QemuCluster cluster, int survivor, int timesAlone, int counted)
    {
        cluster.Until("the other has taken over", () => cluster.TimesAlone(survivor) > timesAlone);
        int first = AssertCountsOn(cluster, survivor);
        Assert.True(first > counted, $"{first} after {counted}\n{cluster.Logs()}");
    }

    /// <summary>What the last copy of this kind to the other node has moved.</summary>
    private static long CopiedBytes(QemuCluster cluster, int node, string plan)
    {
        string[] copies = [];
        int started = -1;

        // What a node prints comes a moment after the state that it answers with.
        cluster.Until($"a copy by {plan} has ended", () =>
        {
            copies = [.. cluster.Events(node, "ResyncStarted", "ResyncDone").Where(line =>
                line.Contains(": disk by ", StringComparison.Ordinal) || line.EndsWith(" bytes", StringComparison.Ordinal))];
            started = Array.FindLastIndex(copies, line => line.EndsWith($": disk by {plan}", StringComparison.Ordinal));
            return started >= 0 && started + 1 < copies.Length;
        });
        return long.Parse(copies[started + 1].Split(' ')[^2], CultureInfo.InvariantCulture);
    }

    /// <summary>The guest of this node, which is no secondary, counts on in ones.</summary>
    private static int AssertCountsOn(QemuCluster cluster, int node)
    {
        // The line that is being printed may have begun before a takeover.
        int seen = cluster.Printed(node).Length + 1;
        cluster.Until("the guest goes on", () => cluster.Printed(node).Length > seen + 5);
        int[] counts = [.. cluster.Printed(node)[seen..].Select(Count)];
        Assert.Equal(Enumerable.Range(counts[0], counts.Length), counts);
        return counts[0];
    }

    /// <summary>What the guest has counted up to.</summary>
    private static int CountOf(QemuCluster cluster, int node) => Count(cluster.Printed(node)[^1]);

    private static int Count(string line)
    {
        Assert.Matches("^[0-9a-f]{8}$", line);
        return int.Parse(line, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    /// <summary>Sector 1 + k holds the count 16 k: each that was written, none missing below the highest.</summary>
    private static void AssertDiskHasNoGap(QemuCluster cluster, int node)
    {
        // The guest writes on: what was there in a first look must have everything before it in a second.
        int last = Array.FindLastIndex(Written(cluster, node), count => count != 0);
        Assert.True(last >= 0, $"the guest of node {node} has written nothing");
        Assert.Equal(Enumerable.Range(1, last + 1).Select(number => number * 16), Written(cluster, node)[..(last + 1)]);
    }

    private static int[] Written(QemuCluster cluster, int node)
    {
        using FileStream file = new(cluster.ImageOf(node), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        byte[] image = new byte[file.Length];
        file.ReadExactly(image);
        return [.. Enumerable.Range(2, (image.Length / 512) - 2)
            .Select(sector => BinaryPrimitives.ReadInt32LittleEndian(image.AsSpan(sector * 512)))];
    }
}
