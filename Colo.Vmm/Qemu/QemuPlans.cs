using System.Text.Json;
using System.Text.Json.Nodes;

namespace Colo.Vmm.Qemu;

/// <summary>
/// The procedures of QEMU's documentation on COLO as plans, for any number of disks and cards, each step with what
/// takes it back. Which procedure runs when is not decided here: the term is won or the joiner is ready before.
/// </summary>
public static class QemuPlans
{
    private static readonly TimeSpan CopyTimeout = TimeSpan.FromHours(24);
    private static readonly TimeSpan LastRoundTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan CancelTimeout = TimeSpan.FromSeconds(15);

    /// <summary>Secondary: export the images and wait for the primary's state.</summary>
    public static QemuPlan PrepareTarget(QemuDefinition guest, QemuFolder folder, QemuCapabilities capabilities)
    {
        List<QemuStep> steps = [Capabilities(capabilities)];
        if (guest.Disks.Count > 0)
        {
            steps.Add(new QemuStep("nbd-server-start", new JsonObject { ["addr"] = QemuSteps.LegacyUnix(folder.NbdServer) }));
        }

        for (int disk = 0; disk < guest.Disks.Count; disk++)
        {
            steps.Add(new QemuStep("block-export-add", new JsonObject
            {
                ["type"] = "nbd",
                ["id"] = QemuNames.Export(disk),
                ["node-name"] = QemuNames.Image(disk),
                ["name"] = QemuNames.Export(disk),
                ["writable"] = true,
            }));
        }

        steps.Add(new QemuStep("migrate-incoming", new JsonObject { ["uri"] = $"unix:{folder.Incoming}" }));
        return new QemuPlan("prepare the secondary", steps);
    }

    /// <summary>
    /// Owner: bring the peer's images into step while the guest runs. A backup job copies what the guest is about to
    /// overwrite first, and when that fails the guest's write fails. So the job's target is a quorum of one vote of the
    /// peer's image and of nothing: a write to it always succeeds, and QEMU reports that it failed on the peer, which
    /// ends the copy.
    /// </summary>
    /// <param name="incremental">Only what the guest wrote since the peer's disk was last equal; else
    /// everything.</param>
    public static QemuPlan CopyDisks(QemuDefinition guest, QemuFolder folder, QemuPairSettings settings, int attempt, bool incremental)
    {
        // A node that ended in the middle of a copy has left the way to its peer in this QEMU.
        List<QemuStep> steps = [QueryGraph() with { Optional = true }, QueryNodes()];
        for (int disk = 0; disk < guest.Disks.Count; disk++)
        {
            string node = QemuNames.Disk(disk);
            string remote = QemuNames.Remote(disk, attempt);
            string target = QemuNames.CopyTarget(disk, attempt);
            steps.Add(CancelJob(disk));
            steps.Add(DeleteRemotes(disk));
            steps.Add(new QemuStep("blockdev-add", new JsonObject
            {
                ["driver"] = "nbd",
                ["node-name"] = remote,
                ["server"] = new JsonObject { ["type"] = "unix", ["path"] = folder.NbdRelay(disk, attempt) },
                ["export"] = QemuNames.Export(disk),
                ["detect-zeroes"] = "on",
            })
            { Undo = [new QemuStep("blockdev-del", Node(remote))] });
            steps.Add(AddCopyTarget(disk, attempt));
            steps.Add(RemoveBitmap(node, QemuNames.RoundBitmap(0)) with { Optional = true });
            steps.Add(RemoveBitmap(node, QemuNames.RoundBitmap(1)) with { Optional = true });
            steps.Add(Round(disk, 0, attempt, incremental ? QemuNames.GapBitmap : null, settings));
            steps.Add(Round(disk, 1, attempt, QemuNames.RoundBitmap(0), settings));
            steps.Add(RemoveBitmap(node, QemuNames.RoundBitmap(0)));

            // What comes next writes to the peer's image itself: the guest stands, or a quorum is in between.
            steps.Add(new QemuStep("blockdev-del", Node(target)));
        }

        return new QemuPlan(incremental ? "copy what differs" : "copy the disks", steps);
    }

    /// <summary>Owner: the last of the disks, with the guest standing, after which every write goes to both
    /// images.</summary>
    public static QemuPlan AttachDisks(QemuDefinition guest, int attempt)
    {
        List<QemuStep> steps = [new QemuStep("stop") { Undo = [new QemuStep("cont")] }];
        for (int disk = 0; disk < guest.Disks.Count; disk++)
        {
            string node = QemuNames.Disk(disk);
            string remote = QemuNames.Remote(disk, attempt);
            string last = QemuNames.RoundBitmap(1);
            steps.Add(new QemuStep("blockdev-backup", Backup(disk, remote, last, 0))
            {
                Until = JobEnds(disk, LastRoundTimeout),
                Undo = [CancelJob(disk)],
            });
            steps.Add(RemoveBitmap(node, last));
            steps.Add(new QemuStep("x-blockdev-change", new JsonObject { ["parent"] = node, ["node"] = remote })
            {
                Undo = [QueryGraph() with { Optional = true }, DetachChild(disk, attempt) with { Optional = true }],
            });

            // From here both images are equal; the bitmap begins while the guest stands.
            steps.Add(RemoveBitmap(node, QemuNames.GapBitmap) with { Optional = true });
            steps.Add(new QemuStep("block-dirty-bitmap-add", Bitmap(node, QemuNames.GapBitmap)));
        }

        steps.Add(new QemuStep("cont"));
        return new QemuPlan("attach the peer's disks", steps);
    }

    /// <summary>Owner: from the first filter on what the guest answers is held, until the pair runs.</summary>
    /// <param name="hasRewriter">This QEMU was a secondary: the filters go before its rewriter.</param>
    public static QemuPlan StartColo(
        QemuDefinition guest, QemuFolder folder, QemuCapabilities capabilities, QemuPairSettings settings, int attempt, bool hasRewriter)
    {
        List<QemuStep> steps = [];
        for (int nic = 0; nic < guest.Nics.Count; nic++)
        {
            steps.AddRange(settings.Compare
                ? [.. QemuNetPlans.Comparer(guest.Nics[nic], nic, settings), .. QemuNetPlans.Feed(guest.Nics[nic], nic, hasRewriter)]
                : QemuNetPlans.Buffers(nic));
        }

        steps.Add(Capabilities(capabilities));
        steps.Add(QemuNetPlans.CheckpointPeriod(settings));
        steps.Add(new QemuStep("migrate", new JsonObject { ["uri"] = $"unix:{folder.MigrationRelay(attempt)}" })
        {
            Until = QemuAwait.Migration("colo", settings.StartTimeout),
            Undo =
            [
                // The event says that it failed, and not why.
                new QemuStep("query-migrate")
                {
                    Explains = answer => answer.TryGetProperty("error-desc", out JsonElement why) ? why.GetString() : null,
                },
                new QemuStep("migrate_cancel") { Optional = true },
                new QemuStep("x-colo-lost-heartbeat") { Optional = true },
            ],
        });
        return new QemuPlan("start the pair", steps);
    }

    /// <summary>Cuts every link to the peer, whatever hangs on it. Nothing is released by it.</summary>
    public static QemuPlan CutPeer() => new("cut the peer", [.. Yank()]);

    /// <summary>
    /// The owner is alone by the arbiter's word: detach the peer, let what was held leave, go on. Also takes an attempt
    /// back that did not become a pair; nothing in it fails for being gone already. The ways to all peers go, whichever
    /// attempt they are of: a link that is cut and stays fails every flush, and with it every migration.
    /// </summary>
    /// <param name="holdsInNode">Colo's comparer holds frames in the node: their way out stays, and is taken away by
    /// <see cref="QemuNetPlans.RemoveWayOut"/>.</param>
    public static QemuPlan GoAlone(QemuDefinition guest, bool holdsInNode = false)
    {
        List<QemuStep> steps = [.. Yank(), QueryGraph() with { Optional = true }];
        for (int disk = 0; disk < guest.Disks.Count; disk++)
        {
            steps.Add(CancelJob(disk));
            steps.Add(DetachRemotes(disk));
        }

        steps.Add(new QemuStep("migrate_cancel") { Optional = true });
        steps.Add(new QemuStep("x-colo-lost-heartbeat") { Optional = true });
        for (int nic = 0; nic < guest.Nics.Count; nic++)
        {
            steps.AddRange(holdsInNode ? QemuNetPlans.StopFeeding(nic) : QemuNetPlans.Release(nic));
        }

        for (int disk = 0; disk < guest.Disks.Count; disk++)
        {
            steps.Add(DeleteRemotes(disk));
        }

        return new QemuPlan("go on alone", steps);
    }

    /// <summary>The secondary takes over: cut the primary, keep what its own guest wrote, be a guest like any
    /// other.</summary>
    public static QemuPlan TakeOver(QemuDefinition guest)
    {
        List<QemuStep> steps = [.. Yank()];
        for (int disk = 0; disk < guest.Disks.Count; disk++)
        {
            steps.Add(new QemuStep("block-export-del", new JsonObject { ["id"] = QemuNames.Export(disk), ["mode"] = "hard" }) { Optional = true });
        }

        steps.Add(new QemuStep("nbd-server-stop") { Optional = true });
        steps.Add(new QemuStep("x-colo-lost-heartbeat"));
        for (int nic = 0; nic < guest.Nics.Count; nic++)
        {
            steps.AddRange(new[] { $"in{nic}", $"out{nic}" }.Select(QemuSteps.DeleteObject));
            steps.AddRange(new[] { $"red{nic}-in", $"red{nic}-out" }.Select(QemuSteps.RemoveChannel));
        }

        return new QemuPlan("take over", steps);
    }

    /// <summary>Whether the survivor's disks stand on their images alone, from the answer of
    /// <c>x-debug-query-block-graph</c>.</summary>
    public static bool IsMerged(QemuDefinition guest, JsonElement graph)
    {
        Dictionary<long, string> names = NamesOf(graph);
        return Enumerable.Range(0, guest.Disks.Count).All(disk => graph.GetProperty("edges").EnumerateArray().Any(edge =>
            names.GetValueOrDefault(edge.GetProperty("parent").GetInt64()) == QemuNames.Replica(disk)
            && edge.GetProperty("name").GetString() == "file"
            && names.GetValueOrDefault(edge.GetProperty("child").GetInt64()) == QemuNames.Image(disk)));
    }

    private static IEnumerable<QemuStep> Yank()
    {
        yield return new QemuStep("query-yank") { OutOfBand = true, Keep = "yank", Optional = true };
        yield return new QemuStep("yank")
        {
            OutOfBand = true,
            Optional = true,
            Late = answers => answers.TryGetValue("yank", out JsonElement instances) ? PeerInstances(instances) : null,
        };
    }

    /// <summary>Everything that leads to the peer; the console, the monitor and the sockets within this QEMU
    /// stay.</summary>
    private static JsonObject? PeerInstances(JsonElement instances)
    {
        var peer = new JsonArray();
        foreach (JsonElement instance in instances.EnumerateArray())
        {
            bool leads = instance.GetProperty("type").GetString() switch
            {
                "migration" => true,
                "block-node" => instance.GetProperty("node-name").GetString()!.StartsWith("nbd", StringComparison.Ordinal),
                "chardev" => LeadsToPeer(instance.GetProperty("id").GetString()!),
                _ => false,
            };
            if (leads)
            {
                peer.Add(JsonNode.Parse(instance.GetRawText()));
            }
        }

        return peer.Count == 0 ? null : new JsonObject { ["instances"] = peer };
    }

    private static bool LeadsToPeer(string channel) =>
        channel.StartsWith("mirror", StringComparison.Ordinal) || channel.StartsWith("compare", StringComparison.Ordinal)
        || channel.StartsWith("red", StringComparison.Ordinal);

    private static QemuStep Capabilities(QemuCapabilities capabilities) => new("migrate-set-capabilities", new JsonObject
    {
        ["capabilities"] = new JsonArray(
            [.. capabilities.MigrationCapabilities.Select(name => new JsonObject { ["capability"] = name, ["state"] = true })]),
    });

    /// <summary>One round of a copy; what the guest writes from its beginning on is noted for the next.</summary>
    private static QemuStep Round(int disk, int round, int attempt, string? bitmap, QemuPairSettings settings)
    {
        string node = QemuNames.Disk(disk);
        string target = QemuNames.CopyTarget(disk, attempt);
        string remote = QemuNames.Remote(disk, attempt);
        QemuAwait ends = JobEnds(disk, CopyTimeout);
        return new QemuStep("transaction", new JsonObject
        {
            ["actions"] = new JsonArray(
                new JsonObject { ["type"] = "block-dirty-bitmap-add", ["data"] = Bitmap(node, QemuNames.RoundBitmap(round)) },
                new JsonObject
                {
                    ["type"] = "blockdev-backup",
                    ["data"] = Backup(disk, target, bitmap, settings.CopyBytesPerSecond),
                }),
        })
        {
            Until = ends with
            {
                Failed = happened => happened.Name == "QUORUM_REPORT_BAD" && happened.Text("node-name") == remote
                    ? $"the copy failed on the peer: {happened.Text("error")}" : ends.Failed(happened),
            },
            Undo = [CancelJob(disk), RemoveBitmap(node, QemuNames.RoundBitmap(round)) with { Optional = true }],
        };
    }

    private static QemuStep AddCopyTarget(int disk, int attempt)
    {
        string target = QemuNames.CopyTarget(disk, attempt);
        return new QemuStep("blockdev-add")
        {
            Late = answers => new JsonObject
            {
                ["driver"] = "quorum",
                ["node-name"] = target,
                ["vote-threshold"] = 1,
                ["children"] = new JsonArray(
                    QemuNames.Remote(disk, attempt),
                    new JsonObject { ["driver"] = "null-co", ["size"] = SizeOf(answers, QemuNames.Image(disk)) }),
            },
            Undo = [new QemuStep("blockdev-del", Node(target))],
        };
    }

    /// <summary>Bytes of a node, from the answer of <c>query-named-block-nodes</c>; 0 when that does not say
    /// it.</summary>
    private static long SizeOf(IReadOnlyDictionary<string, JsonElement> answers, string node) =>
        answers.TryGetValue("nodes", out JsonElement nodes) && nodes.ValueKind == JsonValueKind.Array
            ? nodes.EnumerateArray()
                .Where(one => one.GetProperty("node-name").GetString() == node)
                .Select(one => one.GetProperty("image").GetProperty("virtual-size").GetInt64())
                .FirstOrDefault()
            : 0;

    private static JsonObject Backup(int disk, string target, string? bitmap, long bytesPerSecond)
    {
        var backup = new JsonObject
        {
            ["job-id"] = QemuNames.CopyJob(disk),
            ["device"] = QemuNames.Disk(disk),
            ["target"] = target,
            ["sync"] = bitmap is null ? "full" : "bitmap",
        };
        if (bitmap is not null)
        {
            backup["bitmap"] = bitmap;
            backup["bitmap-mode"] = "never";
        }

        if (bytesPerSecond > 0)
        {
            backup["speed"] = bytesPerSecond;
        }

        return backup;
    }

    private static QemuAwait JobEnds(int disk, TimeSpan timeout)
    {
        string job = QemuNames.CopyJob(disk);
        return new QemuAwait(
            happened => happened.Name == "JOB_STATUS_CHANGE" && happened.Text("id") == job && happened.Text("status") == "null",
            happened => happened.Text("device") != job ? null
                : happened.Name == "BLOCK_JOB_COMPLETED" && happened.Text("error") is { } error ? $"the copy failed: {error}"
                : happened.Name == "BLOCK_JOB_CANCELLED" ? "the copy was cancelled" : null,
            timeout);
    }

    /// <summary>What the job uses can be taken away only when it is gone.</summary>
    private static QemuStep CancelJob(int disk) =>
        new("block-job-cancel", new JsonObject { ["device"] = QemuNames.CopyJob(disk), ["force"] = true })
        {
            Optional = true,
            Until = JobEnds(disk, CancelTimeout) with { Failed = _ => null },
        };

    private static QemuStep QueryGraph() => new("x-debug-query-block-graph") { Keep = "graph" };

    private static QemuStep QueryNodes() =>
        new("query-named-block-nodes", new JsonObject { ["flat"] = true }) { Keep = "nodes" };

    /// <summary>
    /// Takes peers' images out of the quorum. The child's name is looked up: quorum numbers its children as they come,
    /// and a name that was right for the first peer is wrong for the second.
    /// </summary>
    private static QemuStep DetachRemotes(int disk) => new("x-blockdev-change")
    {
        Optional = true,
        Each = answers => ChildNames(answers, QemuNames.Disk(disk), node => QemuNames.IsRemote(disk, node))
            .Select(child => new JsonObject { ["parent"] = QemuNames.Disk(disk), ["child"] = child }),
    };

    private static QemuStep DetachChild(int disk, int attempt) => new("x-blockdev-change")
    {
        Late = answers => ChildNames(answers, QemuNames.Disk(disk), node => node == QemuNames.Remote(disk, attempt))
            .Select(child => new JsonObject { ["parent"] = QemuNames.Disk(disk), ["child"] = child })
            .FirstOrDefault(),
    };

    /// <summary>A copy's target stands on the way to the peer, so it goes first.</summary>
    private static QemuStep DeleteRemotes(int disk) => new("blockdev-del")
    {
        Optional = true,
        Each = answers => TryGetGraph(answers, out JsonElement graph)
            ? NamesOf(graph).Values.Where(node => QemuNames.IsCopyTarget(disk, node))
                .Concat(NamesOf(graph).Values.Where(node => QemuNames.IsRemote(disk, node))).Select(Node)
            : [],
    };

    /// <summary>By which names the children of this node have nodes like these.</summary>
    private static IEnumerable<string> ChildNames(
        IReadOnlyDictionary<string, JsonElement> answers, string parent, Func<string, bool> isChild)
    {
        if (!TryGetGraph(answers, out JsonElement graph))
        {
            return [];
        }

        Dictionary<long, string> names = NamesOf(graph);
        return
        [
            .. graph.GetProperty("edges").EnumerateArray()
                .Where(edge => names.GetValueOrDefault(edge.GetProperty("parent").GetInt64()) == parent
                    && names.TryGetValue(edge.GetProperty("child").GetInt64(), out string? child) && isChild(child))
                .Select(edge => edge.GetProperty("name").GetString() ?? string.Empty),
        ];
    }

    /// <summary>An answer that makes no sense is no graph.</summary>
    private static bool TryGetGraph(IReadOnlyDictionary<string, JsonElement> answers, out JsonElement graph) =>
        answers.TryGetValue("graph", out graph) && graph.ValueKind == JsonValueKind.Object
        && graph.TryGetProperty("nodes", out _) && graph.TryGetProperty("edges", out _);

    private static Dictionary<long, string> NamesOf(JsonElement graph) => graph.GetProperty("nodes").EnumerateArray()
        .ToDictionary(node => node.GetProperty("id").GetInt64(), node => node.GetProperty("name").GetString() ?? string.Empty);

    private static QemuStep RemoveBitmap(string node, string name) => new("block-dirty-bitmap-remove", Bitmap(node, name));

    private static JsonObject Bitmap(string node, string name) => new() { ["node"] = node, ["name"] = name };

    private static JsonObject Node(string name) => new() { ["node-name"] = name };
}
