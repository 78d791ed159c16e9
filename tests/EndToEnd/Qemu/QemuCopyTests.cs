using System.Buffers.Binary;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Colo.Vmm.Qemu;

namespace Colo.EndToEnd.Qemu;

/// <summary>
/// One end of a disk copy is killed in the middle of it. The guest writes to its disk with each clock tick, where the
/// copy has been and where it has not, and prints only what its disk has taken.
/// </summary>
[Trait("Category", "e2e")]
public sealed class QemuCopyTests
{
    private const int DiskBytes = 16 << 20;
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(1);

    [KvmFact]
    public async Task A_target_that_is_killed_in_the_middle_of_a_copy_costs_the_guest_nothing()
    {
        using QemuCluster cluster = Started();

        // The target's host is lost, and comes back when the owner has long been alone.
        await AwaitMiddleAsync(cluster, owner: 0);
        cluster.KillNode(1);
        cluster.Signal(1, "KILL");
        AssertGoesOn(cluster, 0, 20);
        await AwaitNothingLeftAsync(cluster, 0);
        cluster.Start(1);
        await AssertBecomesWholeAsync(cluster, owner: 0);
        AssertCountedInOnes(cluster, 0);
        Fail(cluster, over: 1);

        // The target's process is replaced while the owner's hears nothing: it learns of the end of the old one and of
        // the new one at the same time.
        await AwaitMiddleAsync(cluster, owner: 1);
        cluster.SignalNode(1, "STOP");
        int orphan = cluster.QemuOf(0);
        cluster.KillNode(0);
        cluster.Start(0);
        cluster.Until("the target's new process answers", () => cluster.Request(0, "GET", "/vms") is { Status: 200 });
        cluster.SignalNode(1, "CONT");
        AssertGoesOn(cluster, 1, 20);
        await AssertBecomesWholeAsync(cluster, owner: 1);
        Assert.False(QemuCluster.Lives(orphan));
        Fail(cluster, over: 0);
    }

    [KvmFact]
    public async Task A_source_that_is_killed_in_the_middle_of_a_copy_goes_on_with_its_guest_or_from_its_disk()
    {
        using QemuCluster cluster = Started();

        // The node's process alone: the guest does not notice, and the next process takes it up.
        await AwaitMiddleAsync(cluster, owner: 0);
        int qemu = cluster.QemuOf(0);
        cluster.KillNode(0);
        AssertGoesOn(cluster, 0, 20);
        cluster.Start(0);
        await AssertBecomesWholeAsync(cluster, owner: 0);
        Assert.Equal(qemu, cluster.QemuOf(0));
        AssertCountedInOnes(cluster, 0);
        Fail(cluster, over: 1);

        // The same when the node has attached the peer's disk and made the guest stand.
        await AwaitMiddleAsync(cluster, owner: 1);
        cluster.KillNode(1);
        await AttachAsync(cluster, owner: 1);
        cluster.Start(1);
        AssertGoesOn(cluster, 1, 5);
        await AssertBecomesWholeAsync(cluster, owner: 1);
        Fail(cluster, over: 0);

        // The host: an unprotected guest is down until its host returns, and nobody else starts it meanwhile.
        await AwaitMiddleAsync(cluster, owner: 0);
        cluster.KillNode(0);
        qemu = cluster.QemuOf(0);
        cluster.Signal(0, "KILL");
        cluster.Until("QEMU has ended", () => !QemuCluster.Lives(qemu));
        int printed = cluster.Printed(0).Length;
        int written = CountOf(cluster, 0);
        int alone = cluster.TimesAlone(1);
        cluster.When(1, "parked", view => QemuCluster.Text(view, "protection") == "Parked");
        cluster.Start(0);
        await AssertBecomesWholeAsync(cluster, owner: 0);
        cluster.Until("the guest has booted again", () => cluster.Printed(0).Length > printed + 1);
        Assert.Equal(2, Count(cluster.Printed(0)[printed + 1])); // the line before may have begun in its last life
        Assert.Equal(alone, cluster.TimesAlone(1));
        AssertHolds(cluster, 0, written);
        Fail(cluster, over: 1);
    }

    /// <summary>The guest runs, and its disk, on which no sector is zero, is being copied to an empty one.</summary>
    private static QemuCluster Started()
    {
        var cluster = new QemuCluster(
            "scatter",
            "resync { rate = 4MiB }, qemu { arguments = [\"-qmp\", \"unix:FOLDER/NODE.sock,server=on,wait=off\"] }",
            DiskBytes,
            DiskBytes);
        byte[] content = new byte[DiskBytes - 512];
        new Random(1).NextBytes(content);
        using (FileStream image = new(cluster.ImageOf(0), FileMode.Open))
        {
            image.Position = 512;
            image.Write(content);
        }

        cluster.Start(0);
        cluster.When(0, "alone", view => QemuCluster.Text(view, "role") == "Solo");
        cluster.Until("the guest has booted", () => cluster.Printed(0).Length > 3);
        cluster.Start(1);
        return cluster;
    }

    /// <summary>A quarter of the disk is on the other host, and for a while there will be little more.</summary>
    private static async Task AwaitMiddleAsync(QemuCluster cluster, int owner)
    {
        await using QemuMonitor beside = await ConnectAsync(cluster, owner);
        cluster.Until("a quarter of the disk is copied", () => Jobs(beside).Any(job =>
            job.GetProperty("len").GetInt64() >= DiskBytes
            && job.GetProperty("offset").GetInt64() >= job.GetProperty("len").GetInt64() / 4));
        SetSpeed(beside, 64 << 10);
        JsonElement copy = Assert.Single(Jobs(beside));
        Assert.InRange(copy.GetProperty("offset").GetInt64(), DiskBytes / 4, DiskBytes * 3 / 4);
    }

    /// <summary>Lets the copy run as fast as it can, and looks at the pair that comes of it.</summary>
    private static async Task AssertBecomesWholeAsync(QemuCluster cluster, int owner)
    {
        cluster.When(owner, "being copied", view => QemuCluster.Text(view, "state") == "SoloFilling");
        await using QemuMonitor beside = await ConnectAsync(cluster, owner);
        cluster.When(owner, "a primary", view =>
        {
            Hurry(beside);
            return QemuCluster.Text(view, "role") == "Primary";
        });
        cluster.WhenProtected(owner);

        Assert.Empty(Jobs(beside));
        JsonElement[] nodes = Nodes(beside);
        Assert.Single(Remotes(nodes));
        Assert.Equal(["colo-gap"], Bitmaps(nodes));
        cluster.Until("the disks are equal", () => Image(cluster, 0).AsSpan().SequenceEqual(Image(cluster, 1)));
        AssertHolds(cluster, owner, CountOf(cluster, owner));
    }

    private static void Hurry(QemuMonitor beside)
    {
        try
        {
            SetSpeed(beside, 0);
        }
        catch (QmpException problem) when (problem.ErrorClass != QmpException.Timeout)
        {
            // It has not begun, or is over.
        }
    }

    private static void SetSpeed(QemuMonitor beside, long bytesPerSecond) => Ask(
        beside,
        "block-job-set-speed",
        new JsonObject { ["device"] = QemuNames.CopyJob(0), ["speed"] = bytesPerSecond });

    /// <summary>Brings a QEMU without a node from the middle of a copy to where the copy's end would have brought it:
    /// the peer's disk is attached, and the guest stands.</summary>
    private static async Task AttachAsync(QemuCluster cluster, int owner)
    {
        await using QemuMonitor beside = await ConnectAsync(cluster, owner);
        Hurry(beside);
        cluster.Until("the copy has ended in nothing", () => Jobs(beside).Length == 0);
        string[] left = Remotes(Nodes(beside));
        string remote = Assert.Single(left, name => QemuNames.IsRemote(0, name));
        Ask(beside, "stop");
        Ask(beside, "blockdev-del", new JsonObject { ["node-name"] = Assert.Single(left, name => name != remote) });
        Ask(beside, "x-blockdev-change", new JsonObject { ["parent"] = QemuNames.Disk(0), ["node"] = remote });
    }

    /// <summary>The owner has let go of everything that the broken copy was made of.</summary>
    private static async Task AwaitNothingLeftAsync(QemuCluster cluster, int owner)
    {
        await using QemuMonitor beside = await ConnectAsync(cluster, owner);
        cluster.Until("nothing is left of the copy", () =>
        {
            JsonElement[] nodes = Nodes(beside);
            return Jobs(beside).Length == 0 && Remotes(nodes).Length == 0 && Bitmaps(nodes).Length == 0;
        });
    }

    /// <summary>The primary's QEMU is lost, and its guest goes on where the other stands.</summary>
    private static void Fail(QemuCluster cluster, int over)
    {
        int counted = CountOf(cluster, 1 - over);
        cluster.AwaitCheckpoints(1 - over, 2);
        int alone = cluster.TimesAlone(over);
        cluster.Signal(1 - over, "KILL");
        cluster.Until("the other has taken over", () => cluster.TimesAlone(over) > alone);
        int first = AssertGoesOn(cluster, over, 5);
        Assert.True(first > counted, $"{first} after {counted}\n{cluster.Logs()}");
    }

    /// <summary>The guest prints so many counts more, and each was written.</summary>
    private static int AssertGoesOn(QemuCluster cluster, int node, int counts)
    {
        int seen = cluster.Printed(node).Length + 1; // the line that is being printed may be an older guest's
        cluster.Until("the guest goes on", () => cluster.Printed(node).Length > seen + counts);
        Assert.DoesNotContain("E", cluster.Printed(node));
        int[] printed = [.. cluster.Printed(node)[seen..].Select(Count)];
        Assert.Equal(Enumerable.Range(printed[0], printed.Length), printed);
        return printed[0];
    }

    private static void AssertCountedInOnes(QemuCluster cluster, int node)
    {
        int[] counts = [.. cluster.Printed(node).Select(Count)];
        Assert.Equal(Enumerable.Range(1, counts.Length), counts);
    }

    /// <summary>Each count up to this one is on the disk of this node.</summary>
    private static void AssertHolds(QemuCluster cluster, int node, int last)
    {
        byte[] image = Image(cluster, node);
        Assert.Equal(
            Enumerable.Range(1, last),
            Enumerable.Range(1, last).Select(count => BinaryPrimitives.ReadInt32LittleEndian(
                image.AsSpan(512 * ((128 * (389 * count % 256)) + 1 + (count / 256))))));
    }

    private static int CountOf(QemuCluster cluster, int node) => Count(cluster.Printed(node)[^1]);

    private static int Count(string line)
    {
        Assert.Matches("^[0-9a-f]{8}$", line);
        return int.Parse(line, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    private static byte[] Image(QemuCluster cluster, int node)
    {
        using FileStream file = new(cluster.ImageOf(node), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        byte[] image = new byte[file.Length];
        file.ReadExactly(image);
        return image;
    }

    private static JsonElement[] Jobs(QemuMonitor beside) => [.. Ask(beside, "query-block-jobs").EnumerateArray()];

    private static JsonElement[] Nodes(QemuMonitor beside) =>
        [.. Ask(beside, "query-named-block-nodes", new JsonObject { ["flat"] = true }).EnumerateArray()];

    private static string[] Remotes(JsonElement[] nodes) =>
        [.. nodes.Select(node => node.GetProperty("node-name").GetString()!).Where(
            name => QemuNames.IsRemote(0, name) || QemuNames.IsCopyTarget(0, name))];

    private static string[] Bitmaps(JsonElement[] nodes) =>
    [
        .. nodes.Where(node => node.TryGetProperty("dirty-bitmaps", out _))
            .SelectMany(node => node.GetProperty("dirty-bitmaps").EnumerateArray())
            .Select(bitmap => bitmap.TryGetProperty("name", out JsonElement name) ? name.GetString()! : "unnamed"),
    ];

    private static JsonElement Ask(QemuMonitor beside, string command, JsonObject? arguments = null) =>
        beside.AskAsync(command, Hang, arguments).GetAwaiter().GetResult();

    private static Task<QemuMonitor> ConnectAsync(QemuCluster cluster, int node) => QemuMonitor.ConnectAsync(
        Path.Combine(cluster.Folder, $"{node}.sock"), _ => { }, TimeProvider.System, Hang, CancellationToken.None);
}
