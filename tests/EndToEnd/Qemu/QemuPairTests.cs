using System.Buffers.Binary;
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
        cluster.AwaitCheckpoints(1, 5);
        LoseQemu(cluster, owner: 1);
        cluster.WhenProtected(primary: 0);
        LoseQemu(cluster, owner: 0);
        cluster.WhenProtected(primary: 1);

        // The other side of it: the secondary is lost, and what the guest wrote meanwhile is all that is copied.
        long epoch = cluster.When(1, "any", _ => true).GetProperty("epoch").GetInt64();
        cluster.Signal(0, "KILL");
        cluster.When(1, "protected again", view =>
            QemuCluster.Text(view, "protection") == "Protected" && view.GetProperty("epoch").GetInt64() > epoch + 3);
        Assert.Contains(cluster.Events(1, "ResyncStarted"), line => line.EndsWith("disk by Bitmaps", StringComparison.Ordinal));
        cluster.WhenProtected(primary: 1);
        long[] copied = CopiedBytes(cluster, 1);
        Assert.True(copied[0] >= 1 << 20, $"the first copy from here is a full one: {copied[0]}");
        Assert.InRange(copied[^1], 1, copied[0] / 2);

        AssertDiskHasNoGap(cluster, node: 1);
        AssertDiskHasNoGap(cluster, node: 0);
    }

    [KvmFact]
    public void The_loss_of_the_primarys_node_process_is_a_takeover_and_its_QEMU_ends_when_the_node_is_back()
    {
        using QemuCluster cluster = Started("counter");
        cluster.AwaitCheckpoints(0, 5);
        int orphan = cluster.QemuOf(0);
        int before = cluster.Printed(1).Length;

        cluster.KillNode(0);

        cluster.When(1, "alone", view => QemuCluster.Text(view, "role") == "Solo");
        cluster.Until("the guest goes on", () => cluster.Printed(1).Length > before + 5);
        Assert.True(QemuCluster.Lives(orphan), "the orphan is QEMU's own process and must not have ended with the node");

        cluster.Start(0);
        cluster.WhenProtected(primary: 1);
        Assert.False(QemuCluster.Lives(orphan));
        AssertDiskHasNoGap(cluster, node: 1);
    }

    [KvmFact]
    public void A_QEMU_that_hangs_is_killed_and_the_other_goes_on()
    {
        using QemuCluster cluster = Started("counter", "qemu { hang-timeout = 3s }");
        int stopped = cluster.QemuOf(0);

        cluster.Signal(0, "STOP");

        cluster.WhenProtected(primary: 1);
        Assert.False(QemuCluster.Lives(stopped));
        Assert.Contains(cluster.Events(0, "ReplicaDiscarded"), line => line.Contains("hangs", StringComparison.Ordinal));
        AssertCountsOn(cluster, 1);
    }

    [KvmFact]
    public void The_death_of_the_primary_in_the_middle_of_a_checkpoint_leaves_the_secondarys_own_state()
    {
        using QemuCluster cluster = Started("counter");
        cluster.AwaitCheckpoints(0, 2);

        // The secondary stands still, so the primary's next checkpoint cannot end; then the primary is gone for good.
        cluster.Signal(1, "STOP");
        long epoch = -1;
        int same = 0;
        cluster.When(0, "a checkpoint that does not end", view =>
        {
            long now = view.GetProperty("epoch").GetInt64();
            same = now == epoch ? same + 1 : 0;
            epoch = now;
            return same == 60;
        });
        cluster.Signal(0, "KILL");
        cluster.Signal(1, "CONT");

        cluster.When(1, "taken over", view => QemuCluster.Text(view, "role") is "Solo" or "Primary");
        AssertCountsOn(cluster, 1);
        cluster.WhenProtected(primary: 1);
        AssertDiskHasNoGap(cluster, node: 1);
    }

    [KvmFact]
    public void A_guest_that_runs_alone_is_taken_up_again_by_a_node_that_was_restarted()
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
        int[] counts = Counts(cluster, 0);
        Assert.Equal(Enumerable.Range(1, counts.Length), counts);
    }

    [KvmFact]
    public async Task A_pair_whose_COLO_has_ended_by_itself_is_made_anew()
    {
        using QemuCluster cluster = Started(
            "counter", "qemu { arguments = [\"-qmp\", \"unix:FOLDER/NODE.sock,server=on,wait=off\"] }");
        await using QemuMonitor beside = await QemuMonitor.ConnectAsync(
            Path.Combine(cluster.Folder, "0.sock"), _ => { }, TimeProvider.System, TimeSpan.FromMinutes(1),
            CancellationToken.None);
        long term = cluster.When(0, "any", _ => true).GetProperty("term").GetInt64();

        // Behind the node's back, QEMU's stream of checkpoints is cut: both QEMUs live on and send COLO_EXIT.
        var migration = new JsonObject { ["instances"] = new JsonArray(new JsonObject { ["type"] = "migration" }) };
        await beside.AskAsync("yank", TimeSpan.FromMinutes(1), migration);

        cluster.Until("a pair of a later term", () => Enumerable.Range(0, 2).Any(node => IsPrimaryAfter(node)));
        AssertCountsOn(cluster, Enumerable.Range(0, 2).First(node => IsPrimaryAfter(node)));

        bool IsPrimaryAfter(int node)
        {
            JsonElement view = cluster.When(node, "any", _ => true);
            return QemuCluster.Text(view, "role") == "Primary" && QemuCluster.Text(view, "protection") == "Protected"
                && view.GetProperty("term").GetInt64() > term;
        }
    }

    [KvmFact]
    public void A_switchover_is_a_takeover_after_a_checkpoint()
    {
        using QemuCluster cluster = Started("counter");

        (int Status, string Body)? answer = cluster.Request(0, "POST", $"/vms/{QemuCluster.Vm}/switchover");

        Assert.True(answer is { Status: 200 }, $"{answer}\n{cluster.Logs()}");
        cluster.WhenProtected(primary: 1);
        AssertCountsOn(cluster, 1);
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
        int before = Counts(cluster, owner)[^1];
        cluster.Signal(owner, "KILL");
        cluster.When(1 - owner, "taken over", view => QemuCluster.Text(view, "role") is "Solo" or "Primary");
        int after = AssertCountsOn(cluster, 1 - owner);

        // Both have run since the last checkpoint, so neither is far from the other: no restart, and no step back by
        // more than a period.
        Assert.True(after > before / 2, $"{after} after {before}\n{cluster.Logs()}");
    }

    /// <summary>What each copy of the disks to the other node has moved, in order.</summary>
    private static long[] CopiedBytes(QemuCluster cluster, int node) =>
        [.. cluster.Events(node, "ResyncDone").Where(line => line.EndsWith(" bytes", StringComparison.Ordinal))
            .Select(line => long.Parse(line.Split(' ')[^2], CultureInfo.InvariantCulture))];

    /// <summary>The guest of this node counts on in ones.</summary>
    private static int AssertCountsOn(QemuCluster cluster, int node)
    {
        int seen = cluster.Printed(node).Length;
        cluster.Until("the guest goes on", () => cluster.Printed(node).Length > seen + 5);
        int[] counts = Counts(cluster, node)[seen..];
        Assert.Equal(Enumerable.Range(counts[0], counts.Length), counts);
        return counts[^1];
    }

    private static int[] Counts(QemuCluster cluster, int node) =>
        [.. cluster.Printed(node).Where(line => line.Length == 8).Select(line => int.Parse(line, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];

    /// <summary>Sector 1 + k holds the count 16 k: each that was written, none missing below the highest.</summary>
    private static void AssertDiskHasNoGap(QemuCluster cluster, int node)
    {
        byte[] image;
        using (FileStream file = new(cluster.ImageOf(node), FileMode.Open, FileAccess.Read, FileShare.ReadWrite))
        {
            image = new byte[file.Length];
            file.ReadExactly(image);
        }

        int[] written = [.. Enumerable.Range(2, (image.Length / 512) - 2).Select(sector => BinaryPrimitives.ReadInt32LittleEndian(image.AsSpan(sector * 512)))];
        int last = Array.FindLastIndex(written, count => count != 0);
        Assert.True(last >= 0, $"the guest of node {node} has written nothing");
        Assert.Equal(Enumerable.Range(1, last + 1).Select(number => number * 16), written[..(last + 1)]);
    }
}
