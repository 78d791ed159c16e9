using System.Text.Json;
using Colo.Vmm.Qemu;

namespace Colo.Vmm.Tests.Qemu;

/// <summary>The procedures of QEMU's documentation as data of our own, and what a plan does when one of its steps
/// fails.</summary>
public sealed class QemuPlanTests
{
    private static readonly QemuFolder Folder = new("/run/vm");

    private static readonly QemuPairSettings Settings = new()
    {
        Compare = true,
        CheckpointPeriod = TimeSpan.FromSeconds(20),
        CompareTimeout = TimeSpan.FromMilliseconds(200),
    };

    private static readonly QemuDefinition Guest = new()
    {
        Name = "small",
        MemoryBytes = 16 << 20,
        Disks = [new QemuDisk("/images/a", "raw", "ide-hd", "one"), new QemuDisk("/images/b", "qcow2", "virtio-blk-pci", "")],
        Nics = [new QemuNic("tap0", [0x52, 0x54, 0, 0, 0, 1], "rtl8139"), new QemuNic("tap1", [0x52, 0x54, 0, 0, 0, 2], "virtio-net-pci")],
    };

    private static readonly QemuCapabilities V7 = new(new QemuVersion(7, 2, 0));

    public static TheoryData<string> Plans => [.. All.Keys];

    private static Dictionary<string, QemuPlan> All => new()
    {
        ["target"] = QemuPlans.PrepareTarget(Guest, Folder, V7),
        ["copy"] = QemuPlans.CopyDisks(Guest, Folder, Settings, 3, incremental: false),
        ["attach"] = QemuPlans.AttachDisks(Guest, 3),
        ["own channels"] = QemuNetPlans.AddChannels(Guest, Folder, Settings with { OwnComparer = true }),
        ["own colo"] = QemuPlans.StartColo(
            Guest, Folder, V7, Settings with { OwnComparer = true }, 3, hasRewriter: true),
        ["own checkpoint"] = QemuNetPlans.Checkpoint(Guest, Settings with { OwnComparer = true }),
        ["channels"] = QemuNetPlans.AddChannels(Guest, Folder, Settings),
        ["periodic"] = QemuPlans.StartColo(Guest, Folder, V7, Settings with { Compare = false }, 3, hasRewriter: false),
        ["checkpoint"] = QemuNetPlans.Checkpoint(Guest, Settings with { Compare = false }),
        ["stop comparing"] = QemuNetPlans.StopComparing(Guest, Settings with { Compare = false }),
        ["start comparing"] = QemuNetPlans.StartComparing(Guest, Settings, hasComparer: false, hasRewriter: true),
        ["colo"] = QemuPlans.StartColo(Guest, Folder, V7, Settings, 3, hasRewriter: true),
    };

    [Fact]
    public void The_secondary_exports_before_the_migration_comes_in() => Assert.Equal(
        ["migrate-set-capabilities", "nbd-server-start", "block-export-add", "block-export-add", "migrate-incoming"],
        Commands(QemuPlans.PrepareTarget(Guest, Folder, V7)));

    [Fact]
    public void The_disks_are_attached_while_the_guest_stands() => Assert.Equal(
        [
            "stop",
            "blockdev-backup", "block-dirty-bitmap-remove", "x-blockdev-change", "block-dirty-bitmap-remove", "block-dirty-bitmap-add",
            "blockdev-backup", "block-dirty-bitmap-remove", "x-blockdev-change", "block-dirty-bitmap-remove", "block-dirty-bitmap-add",
            "cont",
        ],
        Commands(QemuPlans.AttachDisks(Guest, 1)));

    [Fact]
    public void The_filters_are_there_before_the_migration_and_before_the_rewriter_of_a_former_secondary()
    {
        QemuPlan plan = QemuPlans.StartColo(Guest, Folder, V7, Settings, 1, hasRewriter: true);

        Assert.Equal(
            [
                .. Enumerable.Repeat("object-add", 10), "migrate-set-capabilities", "migrate-set-parameters", "migrate",
            ],
            Commands(plan));
        string[] filters = [.. plan.Steps.Where(step => step.Arguments?["netdev"] is not null).Select(step => step.Arguments!.ToJsonString())];
        Assert.Contains("\"position\":\"head\"", filters[0], StringComparison.Ordinal);
        Assert.All(filters[1..3], filter => Assert.Contains("\"position\":\"id=rew0\",\"insert\":\"before\"", filter, StringComparison.Ordinal));
        Assert.All(filters[..3], filter => Assert.DoesNotContain("vnet_hdr_support", filter, StringComparison.Ordinal));
        Assert.All(filters[3..], filter => Assert.Contains("\"vnet_hdr_support\":true", filter, StringComparison.Ordinal));
    }

    [Fact]
    public void A_first_primary_has_no_rewriter_to_stand_before() => Assert.DoesNotContain(
        QemuPlans.StartColo(Guest, Folder, V7, Settings, 1, hasRewriter: false).Steps,
        step => step.Arguments?.ContainsKey("insert") == true);

    [Fact]
    public void Without_comparing_there_is_no_comparer_and_two_buffers_stand_next_to_the_TAP()
    {
        QemuPlan plan = QemuPlans.StartColo(Guest, Folder, V7, Settings with { Compare = false }, 1, hasRewriter: true);

        Assert.Equal(
            ["bufB0 at head", "bufA0 at id=bufB0", "bufB1 at head", "bufA1 at id=bufB1"],
            plan.Steps.Where(step => step.Command == "object-add").Select(step => $"{step.Arguments!["id"]} at {step.Arguments["position"]}"));
        Assert.All(plan.Steps.Where(step => step.Command == "object-add"), step => Assert.Equal("filter-buffer", step.Arguments!["qom-type"]!.GetValue<string>()));
        Assert.Equal(uint.MaxValue, plan.Steps.Single(step => step.Command == "migrate-set-parameters").Arguments!["x-checkpoint-delay"]!.GetValue<long>());
    }

    [Fact]
    public void A_buffer_is_emptied_into_the_LAN_only_after_the_checkpoint_that_began_after_it_was_filled()
    {
        QemuDefinition guest = Guest with { Nics = [Guest.Nics[0]] };
        QemuPlan plan = QemuNetPlans.Checkpoint(guest, Settings with { Compare = false });

        Assert.Equal(
            ["/objects/bufA0 off", "/objects/bufA0 on", "checkpoint", "/objects/bufB0 off", "/objects/bufB0 on"],
            plan.Steps.Select(step => step.Command == "qom-set" ? $"{step.Arguments!["path"]} {step.Arguments["value"]}" : "checkpoint"));
        var run = new QemuPlanRun(plan);
        run.Begin();
        run.OnReply(Empty);
        Assert.Null(run.OnEvent(Event("RESUME", "{}"))); // of a checkpoint that began before the buffer was filled
        run.OnReply(Empty);
        Assert.IsType<QemuMove.Wait>(run.OnReply(Empty));
        Assert.Equal("qom-set", Assert.IsType<QemuMove.Send>(run.OnEvent(Event("RESUME", "{}"))).Step.Command);
    }

    [Fact]
    public void Nothing_is_emptied_into_the_LAN_when_COLO_ends_in_the_checkpoint()
    {
        QemuPlan plan = QemuNetPlans.Checkpoint(Guest, Settings with { Compare = false });
        var run = new QemuPlanRun(plan);
        QemuMove move = run.Begin();
        while (move is QemuMove.Send)
        {
            move = run.OnReply(Empty);
        }

        Assert.IsType<QemuMove.Wait>(move);
        Assert.Equal("COLO ended", Assert.IsType<QemuMove.RolledBack>(run.OnEvent(Event("COLO_EXIT", """{"mode":"primary","reason":"error"}"""))).Reason);
    }

    [Fact]
    public void With_Colos_comparer_QEMU_has_none_and_each_checkpoint_is_asked_for_and_awaited()
    {
        QemuPairSettings own = Settings with { OwnComparer = true };
        QemuPlan plan = QemuPlans.StartColo(Guest, Folder, V7, own, 1, hasRewriter: false);

        Assert.Equal(
            ["free0", "mir0", "own0", "free1", "mir1", "own1"],
            plan.Steps.Where(step => step.Command == "object-add").Select(IdOf));
        Assert.DoesNotContain(
            QemuNetPlans.AddChannels(Guest, Folder, own).Steps,
            step => IdOf(step)!.EndsWith("-out", StringComparison.Ordinal));
        Assert.Equal(uint.MaxValue, own.OwnPeriodMilliseconds);
        Assert.NotNull(Assert.Single(QemuNetPlans.Checkpoint(Guest, own).Steps).Until);

        // What the node holds can leave after the guest's frames go past it, and only then is its way out taken away.
        Assert.DoesNotContain(QemuPlans.GoAlone(Guest, holdsInNode: true).Steps, step => IdOf(step) == "free0");
        Assert.Contains(QemuNetPlans.RemoveWayOut(Guest).Steps, step => IdOf(step) == "free0");

        static string? IdOf(QemuStep step) => step.Arguments?["id"]?.GetValue<string>();
    }

    [Theory]
    [InlineData(false, "object-add:cmp0")]
    [InlineData(true, null)]
    public void A_change_of_the_mode_leaves_no_moment_without_a_gate(bool hasComparer, string? comparer)
    {
        string[] compare = Named(QemuNetPlans.StartComparing(Guest, Settings, hasComparer, hasRewriter: true));
        string[] periodic = Named(QemuNetPlans.StopComparing(Guest, Settings with { Compare = false }));

        Assert.Equal(comparer, compare.FirstOrDefault(step => step == "object-add:cmp0"));
        Assert.True(Array.IndexOf(compare, "object-add:own0") < Array.IndexOf(compare, "migrate-set-parameters"));
        Assert.True(Array.IndexOf(compare, "migrate-set-parameters") < Array.IndexOf(compare, "object-del:bufA0"));
        Assert.True(Array.IndexOf(compare, "object-del:bufA0") < Array.IndexOf(compare, "object-del:bufB0"));
        Assert.True(Array.IndexOf(periodic, "object-add:bufA0") < Array.IndexOf(periodic, "object-del:own0"));
        Assert.Equal("migrate-set-parameters", periodic[^1]);

        static string[] Named(QemuPlan plan) =>
            [.. plan.Steps.Select(step => step.Arguments?["id"] is { } id ? $"{step.Command}:{id}" : step.Command)];
    }

    [Fact]
    public void The_links_are_cut_before_the_heartbeat_is_called_lost()
    {
        string[] alone = Commands(QemuPlans.GoAlone(Guest));
        string[] takeover = Commands(QemuPlans.TakeOver(Guest));

        Assert.True(Array.IndexOf(alone, "yank") < Array.IndexOf(alone, "x-blockdev-change"));
        Assert.True(Array.IndexOf(alone, "x-blockdev-change") < Array.IndexOf(alone, "x-colo-lost-heartbeat"));
        Assert.True(Array.IndexOf(takeover, "yank") < Array.IndexOf(takeover, "nbd-server-stop"));
        Assert.True(Array.IndexOf(takeover, "nbd-server-stop") < Array.IndexOf(takeover, "x-colo-lost-heartbeat"));
    }

    [Theory]
    [InlineData(7, false, false, "reconnect")]
    [InlineData(11, true, true, "reconnect-ms")]
    public void Versions_differ_where_the_facts_say_so(int major, bool returnPath, bool tcg, string reconnect)
    {
        var capabilities = new QemuCapabilities(new QemuVersion(major, 2, 0));

        Assert.Equal(returnPath, capabilities.MigrationCapabilities.Contains("return-path"));
        Assert.Equal(tcg, capabilities.CanReplicateUnderTcg);
        Assert.Equal(tcg, capabilities.CanUseMultifd);
        Assert.Equal(reconnect, capabilities.ReconnectOption);
    }

    [Fact]
    public void The_guests_devices_are_the_same_in_both_roles()
    {
        Assert.Equal(Devices(QemuCommandLine.Primary(Guest, Folder)), Devices(QemuCommandLine.Secondary(Guest, Folder)));
        Assert.Equal(4, Devices(QemuCommandLine.Primary(Guest, Folder)).Length);

        static string[] Devices(IReadOnlyList<string> line) => [.. line.Where((_, index) => index > 0 && line[index - 1] == "-device")];
    }

    [Theory]
    [MemberData(nameof(Plans))]
    public void Every_step_that_is_refused_is_taken_back_in_reverse_order(string name)
    {
        QemuPlan plan = Planned(name);
        for (int failing = 0; failing < plan.Steps.Count; failing++)
        {
            if (plan.Steps[failing].Optional)
            {
                continue;
            }

            (List<string> sent, QemuMove end) = Drive(plan, failing, Failing.Refused);

            QemuMove.RolledBack back = Assert.IsType<QemuMove.RolledBack>(end);
            Assert.Equal(plan.Steps[failing].Command, back.Step);
            Assert.Empty(back.LeftOver);
            string[] undone = [.. plan.Steps.Take(failing + 1).Reverse().SelectMany(step => step.Undo).Where(step => step.Late is null).Select(step => step.Command)];
            Assert.Equal(undone, sent[(failing + 1)..]);
        }
    }

    [Theory]
    [MemberData(nameof(Plans))]
    public void A_QEMU_that_dies_at_any_step_is_lost_and_asked_nothing_more(string name)
    {
        QemuPlan plan = Planned(name);
        for (int failing = 0; failing < plan.Steps.Count; failing++)
        {
            (List<string> sent, QemuMove end) = Drive(plan, failing, Failing.Died);

            Assert.IsType<QemuMove.Lost>(end);
            Assert.Equal(failing + 1, sent.Count);
        }
    }

    [Theory]
    [MemberData(nameof(Plans))]
    public void An_event_that_never_comes_is_taken_back_like_a_refusal(string name)
    {
        QemuPlan plan = Planned(name);
        for (int silent = 0; silent < plan.Steps.Count; silent++)
        {
            if (plan.Steps[silent].Until is null || plan.Steps[silent].Optional)
            {
                continue;
            }

            (List<string> sent, QemuMove end) = Drive(plan, silent, Failing.Silent);

            Assert.Equal(plan.Steps[silent].Command, Assert.IsType<QemuMove.RolledBack>(end).Step);
            string[] undone = [.. plan.Steps.Take(silent + 1).Reverse().SelectMany(step => step.Undo)
                .Where(step => step.Late is null).Select(step => step.Command)];
            Assert.Equal(undone, sent[(silent + 1)..]);
        }
    }

    [Fact]
    public void An_event_that_comes_before_the_answer_counts()
    {
        var plan = new QemuPlan("one", [new QemuStep("migrate") { Until = QemuAwait.Migration("colo", TimeSpan.FromSeconds(1)) }]);
        var run = new QemuPlanRun(plan);
        run.Begin();

        Assert.Null(run.OnEvent(Event("MIGRATION", """{"status":"colo"}""")));

        Assert.IsType<QemuMove.Done>(run.OnReply(Empty));
    }

    [Fact]
    public void A_migration_that_ends_otherwise_fails_the_step()
    {
        var run = new QemuPlanRun(new QemuPlan("one", [new QemuStep("migrate") { Until = QemuAwait.Migration("colo", TimeSpan.FromSeconds(1)) }]));
        run.Begin();
        Assert.IsType<QemuMove.Wait>(run.OnReply(Empty));

        QemuMove? end = run.OnEvent(Event("MIGRATION", """{"status":"completed"}"""));

        Assert.Equal("migration completed", Assert.IsType<QemuMove.RolledBack>(end).Reason);
    }

    [Fact]
    public void A_pair_that_cannot_be_started_says_what_QEMU_says_of_it()
    {
        QemuStep migrate = QemuPlans.StartColo(Guest, Folder, V7, Settings, 1, hasRewriter: false).Steps[^1];
        var run = new QemuPlanRun(new QemuPlan("one", [migrate]));
        run.Begin();
        run.OnReply(Empty);
        QemuMove? asked = run.OnEvent(Event("MIGRATION", """{"status":"failed"}"""));
        Assert.Equal("query-migrate", Assert.IsType<QemuMove.Send>(asked).Step.Command);

        JsonElement answer = JsonDocument.Parse("""{"status":"failed","error-desc":"no such relay"}""").RootElement;
        QemuMove end = run.OnReply(answer);
        while (end is QemuMove.Send)
        {
            end = run.OnReply(Empty);
        }

        Assert.Equal("migration failed: no such relay", Assert.IsType<QemuMove.RolledBack>(end).Reason);
    }

    [Fact]
    public void Whoever_goes_alone_lets_go_of_the_peers_of_all_attempts_by_the_names_that_they_have_now()
    {
        const string graph = """
            {"nodes":[{"id":1,"name":"colo-disk0"},{"id":2,"name":"parent0"},{"id":3,"name":"nbd0-7"},
              {"id":4,"name":"nbd0-6"},{"id":5,"name":"nbd1-7"},{"id":6,"name":""},{"id":7,"name":"copy0-6"}],
             "edges":[{"parent":1,"child":2,"name":"children.0"},{"parent":1,"child":3,"name":"children.4"},
              {"parent":6,"child":1,"name":"root"}]}
            """;

        List<string> sent = Sent(QemuPlans.GoAlone(Guest), graph);

        Assert.Equal(
            ["""x-blockdev-change {"parent":"colo-disk0","child":"children.4"}"""],
            sent.Where(line => line.StartsWith("x-blockdev-change", StringComparison.Ordinal)));
        Assert.Equal(
            [
                """blockdev-del {"node-name":"copy0-6"}""", // it stands on nbd0-6
                """blockdev-del {"node-name":"nbd0-7"}""", """blockdev-del {"node-name":"nbd0-6"}""",
                """blockdev-del {"node-name":"nbd1-7"}""",
            ],
            sent.Where(line => line.StartsWith("blockdev-del", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_copy_begins_without_what_an_earlier_life_of_the_node_has_left()
    {
        const string graph = """{"nodes":[{"id":1,"name":"colo-disk0"},{"id":4,"name":"nbd0-3"}],"edges":[]}""";

        List<string> sent = Sent(QemuPlans.CopyDisks(Guest, Folder, Settings, 1, incremental: false), graph);

        int left = sent.IndexOf("""blockdev-del {"node-name":"nbd0-3"}""");
        Assert.InRange(left, 0, sent.FindIndex(line => line.StartsWith("blockdev-add", StringComparison.Ordinal)) - 1);
    }

    [Fact]
    public void While_the_guest_runs_a_copy_writes_to_the_peer_and_to_nothing_so_that_no_write_of_the_guest_fails()
    {
        var disks = new Dictionary<string, JsonElement>
        {
            ["nodes"] = JsonDocument.Parse(
                """[{"node-name":"colo-disk0"},{"node-name":"parent0","image":{"virtual-size":1048576}}]""")
                .RootElement,
        };
        QemuDefinition guest = Guest with { Disks = [Guest.Disks[0]] };

        QemuPlan copy = QemuPlans.CopyDisks(guest, Folder, Settings, 3, incremental: true);

        QemuStep target = copy.Steps.Single(step => step.Late is not null);
        Assert.Equal(
            "{'driver':'quorum','node-name':'copy0-3','vote-threshold':1,"
                + "'children':['nbd0-3',{'driver':'null-co','size':1048576}]}",
            target.Late!(disks)!.ToJsonString().Replace('"', '\''));
        QemuStep[] rounds = [.. copy.Steps.Where(step => step.Command == "transaction")];
        Assert.Equal(2, rounds.Length);
        Assert.All(rounds, round => Assert.Equal(
            "copy0-3", round.Arguments!["actions"]![1]!["data"]!["target"]!.GetValue<string>()));
        Assert.Equal(
            ("blockdev-del", "copy0-3"),
            (copy.Steps[^1].Command, copy.Steps[^1].Arguments!["node-name"]!.GetValue<string>()));

        // The guest stands, and a failure must be one.
        QemuStep last = QemuPlans.AttachDisks(guest, 3).Steps.Single(step => step.Command == "blockdev-backup");
        Assert.Equal("nbd0-3", last.Arguments!["target"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("nbd0-3", true)]
    [InlineData("nbd0-2", false)]
    [InlineData("parent0", false)]
    public void A_copy_fails_when_its_peer_does_although_its_job_does_not(string node, bool fails)
    {
        QemuStep round = QemuPlans.CopyDisks(Guest, Folder, Settings, 3, incremental: false).Steps
            .First(step => step.Command == "transaction");
        var run = new QemuPlanRun(new QemuPlan("one", [round]));
        run.Begin();
        Assert.IsType<QemuMove.Wait>(run.OnReply(Empty));

        QemuMove? move = run.OnEvent(
            Event("QUORUM_REPORT_BAD", $$"""{"type":"write","node-name":"{{node}}","error":"Input/output error"}"""));

        Assert.Equal(fails, run.IsGoingBack);
        Assert.Equal(fails ? "block-job-cancel" : null, (move as QemuMove.Send)?.Step.Command);
    }

    [Fact]
    public void What_a_job_uses_is_taken_away_when_the_job_is_gone()
    {
        QemuPlan plan = QemuPlans.CopyDisks(Guest, Folder, Settings, 3, incremental: false);
        QemuPlan round = plan with { Steps = [plan.Steps.First(step => step.Command == "transaction")] };
        var run = new QemuPlanRun(round);
        run.Begin();
        run.OnReply(Empty);
        Assert.Equal("block-job-cancel", Assert.IsType<QemuMove.Send>(run.OnRefused("given up")).Step.Command);

        Assert.IsType<QemuMove.Wait>(run.OnReply(Empty));
        Assert.Null(run.OnEvent(Event("BLOCK_JOB_CANCELLED", """{"device":"resync0"}""")));
        QemuMove? next = run.OnEvent(Event("JOB_STATUS_CHANGE", """{"id":"resync0","status":"null"}"""));

        Assert.Equal("block-dirty-bitmap-remove", Assert.IsType<QemuMove.Send>(next).Step.Command);
        Assert.Empty(Assert.IsType<QemuMove.RolledBack>(run.OnReply(Empty)).LeftOver);
    }

    [Fact]
    public void A_job_that_does_not_end_keeps_nobody_from_going_alone()
    {
        var run = new QemuPlanRun(QemuPlans.GoAlone(Guest));
        QemuMove move = run.Begin();
        while (move is QemuMove.Send or QemuMove.Wait)
        {
            move = move is not QemuMove.Send send ? run.OnWaitTimeout()
                : send.Step.Command == "block-job-cancel" ? run.OnReply(Empty) : run.OnRefused("not there");
        }

        Assert.IsType<QemuMove.Done>(move);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    public void A_graph_that_makes_no_sense_names_nothing(string graph) =>
        Assert.DoesNotContain(
            Sent(QemuPlans.GoAlone(Guest), graph), line => line.StartsWith("blockdev-del", StringComparison.Ordinal));

    /// <summary>What a plan sends to a QEMU with this graph that refuses whatever may be refused.</summary>
    private static List<string> Sent(QemuPlan plan, string graph)
    {
        JsonElement answer = JsonDocument.Parse(graph).RootElement;
        var run = new QemuPlanRun(plan);
        List<string> sent = [];
        QemuMove move = run.Begin();
        while (move is QemuMove.Send send)
        {
            sent.Add($"{send.Step.Command} {send.Arguments?.ToJsonString()}");
            move = send.Step.Keep == "graph" ? run.OnReply(answer)
                : send.Step.Optional ? run.OnRefused("not there") : run.OnReply(Empty);
        }

        return sent;
    }

    /// <summary>One of <see cref="All"/> without the steps that nothing is found for in an empty graph.</summary>
    private static QemuPlan Planned(string name) =>
        All[name] with { Steps = [.. All[name].Steps.Where(step => step.Each is null)] };

    private static JsonElement Empty => JsonDocument.Parse("{}").RootElement;

    private static string[] Commands(QemuPlan plan) => [.. plan.Steps.Select(step => step.Command)];

    private static QmpEvent Event(string name, string data) => new(name, JsonDocument.Parse(data).RootElement, DateTimeOffset.UnixEpoch);

    /// <summary>How a step fails.</summary>
    private enum Failing
    {
        Refused,
        Died,
        Silent,
    }

    private static (List<string> Sent, QemuMove End) Drive(QemuPlan plan, int failing, Failing how)
    {
        var run = new QemuPlanRun(plan);
        List<string> sent = [];
        QemuMove move = run.Begin();
        while (true)
        {
            switch (move)
            {
                case QemuMove.Send send:
                    sent.Add(send.Step.Command);
                    move = sent.Count - 1 != failing || how == Failing.Silent ? run.OnReply(Empty)
                        : how == Failing.Died ? run.OnClosed("gone") : run.OnRefused("no");
                    break;
                case QemuMove.Wait when sent.Count - 1 == failing && how == Failing.Silent:
                    move = run.OnWaitTimeout();
                    break;
                case QemuMove.Wait:
                    move = run.OnEvent(Event("MIGRATION", """{"status":"colo"}"""))
                        ?? run.OnEvent(Event("RESUME", "{}"))
                        ?? run.OnEvent(Event("JOB_STATUS_CHANGE", """{"id":"resync0","status":"null"}"""))
                        ?? run.OnEvent(Event("JOB_STATUS_CHANGE", """{"id":"resync1","status":"null"}"""))!;
                    break;
                default:
                    return (sent, move);
            }
        }
    }
}
