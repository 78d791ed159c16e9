using System.Text.Json.Nodes;

namespace Colo.Vmm.Qemu;

/// <summary>
/// What stands between a primary's card and the LAN. Frames of the guest walk from the right to the left:
/// <code>
/// comparing   TAP &lt;- free &lt;- (colo-compare) &lt;- own &lt;- [rewriter] &lt;- card;   mir copies what comes in to the secondary
/// own         as comparing, with Colo's comparer, in the node, in the place of colo-compare
/// periodic    TAP &lt;- bufB &lt;- bufA &lt;- [rewriter] &lt;- card
/// </code>
/// A filter-buffer knows nothing of checkpoints: it lets go by its own clock, or all at once when it is switched off.
/// Two of them in a row, with an interval that never ends, are a gate that checkpoints drive. Before a checkpoint bufA
/// empties itself into bufB. The next RESUME that QEMU reports after that ends a checkpoint whose state was taken after
/// everything in bufB had been said, because a guest that stands says nothing; then bufB is emptied into the LAN. What
/// the guest has said meanwhile waits in bufA.
/// </summary>
public static class QemuNetPlans
{
    private static readonly TimeSpan CheckpointTimeout = TimeSpan.FromMinutes(5);

    /// <summary>Owner: the sockets that frames go through; connected by the node before the filters use them.</summary>
    public static QemuPlan AddChannels(QemuDefinition guest, QemuFolder folder, QemuPairSettings settings)
    {
        List<QemuStep> steps = [];
        for (int nic = 0; nic < guest.Nics.Count; nic++)
        {
            steps.AddRange(
            [
                QemuSteps.Channel(QemuNames.Mirror(nic), folder.Channel(QemuNames.Mirror(nic)), server: true),
                QemuSteps.Channel($"own{nic}-in", folder.Channel(QemuNames.FromGuest(nic)), server: true),
                QemuSteps.Channel($"free{nic}-in", folder.Channel(QemuNames.ToLan(nic)), server: true),
            ]);
            if (!settings.OwnComparer)
            {
                steps.AddRange(
                [
                    QemuSteps.Channel(
                        QemuNames.CompareInput(nic), folder.Channel(QemuNames.CompareInput(nic)), server: true),
                    QemuSteps.Channel($"own{nic}-out", folder.Channel(QemuNames.FromGuest(nic)), server: false),
                    QemuSteps.Channel($"free{nic}-out", folder.Channel(QemuNames.ToLan(nic)), server: false),
                ]);
            }
        }

        return new QemuPlan("add the channels", steps);
    }

    /// <summary>Sets QEMU's own period, which also takes a checkpoint at once.</summary>
    public static QemuStep CheckpointPeriod(QemuPairSettings settings) => new(
        "migrate-set-parameters", new JsonObject { ["x-checkpoint-delay"] = settings.OwnPeriodMilliseconds });

    /// <summary>Takes a checkpoint now. Without comparing it also lets go what the checkpoint covers; done when that is
    /// so. With comparing QEMU does that by itself; done when the checkpoint has been asked for.</summary>
    public static QemuPlan Checkpoint(QemuDefinition guest, QemuPairSettings settings) => new(
        "take a checkpoint", !settings.NodeDrivesCheckpoints ? [CheckpointPeriod(settings)]
            : settings.Compare ? [Awaited(settings)] : [.. BufferedCheckpoint(guest, settings)]);

    /// <summary>From colo to periodic: what the comparer still holds goes into the buffers with the checkpoint that the
    /// last step takes. The comparer stays and is fed nothing: it may be in the middle of a frame of the
    /// secondary's.</summary>
    public static QemuPlan StopComparing(QemuDefinition guest, QemuPairSettings settings) => new("stop comparing",
    [
        .. Cards(guest).SelectMany(Buffers),
        .. Cards(guest).SelectMany(StopFeeding),
        settings.OwnComparer ? Awaited(settings) : CheckpointPeriod(settings),
    ]);

    /// <summary>From periodic to colo: from the first step on what the guest says goes to the comparer; then a
    /// checkpoint covers what the buffers hold from before.</summary>
    /// <param name="hasComparer">One is left from an earlier time.</param>
    /// <param name="hasRewriter">This QEMU was a secondary: the filters go before its rewriter.</param>
    public static QemuPlan StartComparing(QemuDefinition guest, QemuPairSettings settings, bool hasComparer, bool hasRewriter) =>
        new("start comparing",
        [
            .. Cards(guest).SelectMany(nic => hasComparer ? [] : Comparer(guest.Nics[nic], nic, settings)),
            .. Cards(guest).SelectMany(nic => Feed(guest.Nics[nic], nic, hasRewriter)),
            .. BufferedCheckpoint(guest, settings),

            // What is in the buffers now the comparer has let go.
            .. Cards(guest).SelectMany(nic => new[] { $"bufA{nic}", $"bufB{nic}" }.Select(QemuSteps.DeleteObject)),
        ]);

    /// <summary>The comparer and its way out; it is fed by <see cref="Feed"/>.</summary>
    internal static IEnumerable<QemuStep> Comparer(QemuNic card, int nic, QemuPairSettings settings)
    {
        // Next to the TAP: what the comparer lets go has nothing to wait for.
        QemuStep free = Filter("filter-redirector", $"free{nic}", card, nic, "rx", "indev", $"free{nic}-in");
        free.Arguments!["position"] = "head";
        yield return free;
        if (settings.OwnComparer)
        {
            yield break;
        }

        yield return QemuSteps.Created(new JsonObject { ["qom-type"] = "iothread", ["id"] = $"io{nic}" });
        var compare = new JsonObject
        {
            ["qom-type"] = "colo-compare",
            ["id"] = $"cmp{nic}",
            ["primary_in"] = $"own{nic}-out",
            ["secondary_in"] = QemuNames.CompareInput(nic),
            ["outdev"] = $"free{nic}-out",
            ["iothread"] = $"io{nic}",
            ["compare_timeout"] = settings.CompareTimeoutMilliseconds,
            ["expired_scan_cycle"] = Math.Clamp((long)settings.CompareTimeout.TotalMilliseconds / 2, 10, 1000),
            ["max_queue_size"] = settings.CompareQueuePackets,
        };
        yield return QemuSteps.Created(WithHeader(compare, card));
    }

    /// <summary>From here on the guest's frames go to the comparer and those for it to the secondary too.</summary>
    internal static IEnumerable<QemuStep> Feed(QemuNic card, int nic, bool hasRewriter)
    {
        yield return BeforeRewriter(Filter("filter-mirror", $"mir{nic}", card, nic, "tx", "outdev", QemuNames.Mirror(nic)));
        yield return BeforeRewriter(Filter("filter-redirector", $"own{nic}", card, nic, "rx", "outdev", $"own{nic}-in"));

        QemuStep BeforeRewriter(QemuStep step)
        {
            if (hasRewriter)
            {
                step.Arguments!["position"] = $"id={QemuNames.Rewriter(nic)}";
                step.Arguments["insert"] = "before";
            }

            return step;
        }
    }

    /// <summary>Two buffers next to the TAP, so that whatever stands behind them passes them too.</summary>
    internal static IEnumerable<QemuStep> Buffers(int nic)
    {
        yield return Buffer($"bufB{nic}", "head");
        yield return Buffer($"bufA{nic}", $"id=bufB{nic}");

        QemuStep Buffer(string id, string position) => QemuSteps.Created(new JsonObject
        {
            ["qom-type"] = "filter-buffer",
            ["id"] = id,
            ["netdev"] = QemuNames.Netdev(nic),
            ["queue"] = "rx",
            ["position"] = position,

            // Microseconds of the guest's time, 71 minutes: it is switched off and on long before.
            ["interval"] = uint.MaxValue,
        });
    }

    /// <summary>The guest's frames go to no comparer any more.</summary>
    internal static IEnumerable<QemuStep> StopFeeding(int nic) =>
        new[] { $"mir{nic}", $"own{nic}" }.Select(QemuSteps.DeleteObject);

    /// <summary>Owner, alone again, when everything that the node held has left: takes away what
    /// <see cref="QemuPlans.GoAlone"/>
    /// has left for that.</summary>
    public static QemuPlan RemoveWayOut(QemuDefinition guest) =>
        new("remove the way out", [.. Cards(guest).SelectMany(Release)]);

    /// <summary>Lets go whatever is held and takes the filters away; nothing in it fails for being gone
    /// already.</summary>
    internal static IEnumerable<QemuStep> Release(int nic) =>
    [
        // To delete the comparer, or a buffer, is to let go what it holds; its way out must still be there.
        .. new[] { $"mir{nic}", $"own{nic}", $"cmp{nic}", $"io{nic}", $"free{nic}", $"bufA{nic}", $"bufB{nic}" }.Select(QemuSteps.DeleteObject),
        .. new[]
        {
            QemuNames.Mirror(nic), QemuNames.CompareInput(nic), $"own{nic}-out", $"free{nic}-out", $"own{nic}-in", $"free{nic}-in",
        }.Select(QemuSteps.RemoveChannel),
    ];

    private static IEnumerable<int> Cards(QemuDefinition guest) => Enumerable.Range(0, guest.Nics.Count);

    private static IEnumerable<QemuStep> BufferedCheckpoint(QemuDefinition guest, QemuPairSettings settings) =>
    [
        .. Cards(guest).SelectMany(nic => Empty($"bufA{nic}")),
        Awaited(settings),
        .. Cards(guest).SelectMany(nic => Empty($"bufB{nic}")),
    ];

    private static QemuStep Awaited(QemuPairSettings settings) =>
        CheckpointPeriod(settings) with { Until = QemuAwait.CheckpointEnded(CheckpointTimeout) };

    private static IEnumerable<QemuStep> Empty(string buffer) => [Switch(buffer, "off"), Switch(buffer, "on")];

    private static QemuStep Switch(string filter, string status) => new("qom-set", new JsonObject
    {
        ["path"] = $"/objects/{filter}",
        ["property"] = "status",
        ["value"] = status,
    });

    private static QemuStep Filter(string kind, string id, QemuNic card, int nic, string queue, string direction, string channel) =>
        QemuSteps.Created(WithHeader(
            new JsonObject
            {
                ["qom-type"] = kind,
                ["id"] = id,
                ["netdev"] = QemuNames.Netdev(nic),
                ["queue"] = queue,
                [direction] = channel,
            },
            card));

    private static JsonObject WithHeader(JsonObject created, QemuNic card)
    {
        if (card.HasVirtioHeader)
        {
            created["vnet_hdr_support"] = true;
        }

        return created;
    }
}
