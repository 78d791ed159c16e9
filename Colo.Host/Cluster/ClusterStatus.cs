using System.Globalization;
using Colo.Actors.Protocol;
using Colo.Host.Node;

namespace Colo.Host.Cluster;

/// <summary>
/// Puts the front page together from this host's own knowledge and what its peers last said. It is never better than
/// the truth (S15): PROTECTED only while a host that says so is fresh and the other host of the pair is heard.
/// </summary>
internal static class ClusterStatus
{
    /// <summary>
    /// A peer tells each VM every second; older news of a host that is heard are of a VM that it has no more, or had no
    /// time to tell about.
    /// </summary>
    private const double NewsMsMax = 10_000;

    /// <summary>How the detail of a VM begins whose guest does not answer.</summary>
    private const string SilentGuest = "the guest does not answer";

    public static ClusterStatusView Of(NodeRuntime node, DateTimeOffset now)
    {
        IReadOnlyList<MemberView> members = node.Members();
        IEnumerable<string> names = node.Vms.Select(vm => vm.Definition.Name).Concat(node.Cluster.Names()).Distinct()
            .Order(StringComparer.Ordinal);
        // One that is removed just now is known to nobody any more.
        List<VmStatusView> vms =
        [
            .. names.Select(name => ViewsOf(node, name, node.Find(name))).Where(views => views.Count > 0)
                .Select(views => VmOf(node, views, members)),
        ];
        bool degraded = vms.Exists(
            vm => vm.Word != "PROTECTED" || vm.Detail.StartsWith(SilentGuest, StringComparison.Ordinal))
            || members.Any(member => member.Status == "Unreachable");
        string arbiter = node.Options.Arbiter.Kind.ToString().ToLowerInvariant();
        return new ClusterStatusView(
            1, node.Self.Host.Name, now, degraded, vms, members,
            node.Options.Arbiter.Kind == Configuration.ArbiterKind.Witness && !node.Options.IsWitness
                ? $"witness {node.Options.Arbiter.WitnessNode}" : arbiter);
    }

    /// <param name="own">A VM of this node.</param>
    public static VmStatusView VmOf(NodeRuntime node, VmRecord own, IReadOnlyList<MemberView> members) =>
        VmOf(node, ViewsOf(node, own.Definition.Name, own), members);

    private static List<(VmView View, double AgeMs)> ViewsOf(NodeRuntime node, string name, VmRecord? own)
    {
        var views = new List<(VmView View, double AgeMs)>(node.Cluster.Of(new VmId(name)));
        if (own is not null)
        {
            views.Insert(0, (VmViews.Of(node, own), 0));
        }

        return views;
    }

    private static VmStatusView VmOf(
        NodeRuntime node, List<(VmView View, double AgeMs)> views, IReadOnlyList<MemberView> members)
    {
        // The owner speaks for the VM; among several, which there should not be, the one of the highest term and the
        // youngest word.
        (VmView View, double AgeMs) = views
            .OrderByDescending(entry => Fresh(entry.View, members, entry.AgeMs) ? 1 : 0)
            .ThenByDescending(entry => entry.View.Role is "Primary" or "Solo" ? 1 : 0)
            .ThenByDescending(entry => entry.View.Term).ThenBy(entry => entry.AgeMs).First();
        string word = WordOf(View, members, AgeMs);
        string[] paused = [.. views.Where(entry => !entry.View.AutomaticRoleChange).Select(entry => entry.View.Host)];
        return new VmStatusView(
            View.Name, word, DetailOf(View), View.Since, View.Term, View.Epoch, View.Mode, paused.Length == 0,
            FatesOf(node, View, word), RequestedOf(View, word), View.Why, NextOf(View, word, paused),
            RowsOf(views, members),
            View.Gauges,
            View.Recent, View.LastCheckpoint,
            View.Role switch { "Primary" or "Solo" => View.Host, "Secondary" => View.Peer, _ => null })
        {
            PausedOn = paused,
        };
    }

    private static bool Fresh(VmView view, IReadOnlyList<MemberView> members, double ageMs) =>
        ageMs <= NewsMsMax
        && members.FirstOrDefault(member => member.Node == view.Host) is { Status: "Up", IsFresh: true };

    internal static string WordOf(VmView view, IReadOnlyList<MemberView> members, double ageMs = 0)
    {
        if (!Fresh(view, members, ageMs))
        {
            return "UNKNOWN";
        }

        bool peerHeard = members.FirstOrDefault(member => member.Node == view.Peer) is { Status: "Up" };
        return view.Protection switch
        {
            "Protected" => peerHeard ? "PROTECTED" : "UNKNOWN",
            "Unprotected" or "Protecting" => "NOT PROTECTED",
            "Holding" => "HOLDING",
            "Off" => "OFF",
            _ => view.Role == "None" ? "NOT RUNNING" : "UNKNOWN",
        };
    }

    private static string DetailOf(VmView view) => view switch
    {
        { Protection: "Protecting", ResyncPercent: { } percent } => string.Create(
            CultureInfo.InvariantCulture,
            $"re-protecting, disk {percent:0} %{(view.ResyncSecondsLeft is { } left ? $", about {left:0} s left" : string.Empty)}"),
        { Protection: "Protecting" } => $"re-protecting: {view.WaitsFor}",
        { Protection: "Holding" } => $"answers are held; waits for {view.WaitsFor}",
        { Protection: "Parked", WaitsFor.Length: > 0 } => view.WaitsFor,
        { GuestSilent.Length: > 0 } => $"{SilentGuest}: {view.GuestSilent}",
        _ => string.Empty,
    };

    private static List<HostFate> FatesOf(NodeRuntime node, VmView view, string word)
    {
        double seconds = TakeoverSeconds(node, view.Name);
        string about = string.Create(CultureInfo.InvariantCulture, $"{seconds:0.0} s");
        return word switch
        {
            "PROTECTED" =>
            [
                Lost(view.Role == "Secondary" ? view.Peer! : view.Host, view.Role == "Secondary"
                    ? view.Host : view.Peer!, "answers in", seconds, about),
                Lost(view.Role == "Secondary" ? view.Host : view.Peer!, view.Role == "Secondary"
                    ? view.Peer! : view.Host, "continues alone after", seconds, about),
            ],
            "NOT PROTECTED" or "HOLDING" =>
                [new HostFate(
                    view.Host, false, null,
                    $"if {view.Host} died now: {view.Name} STOPS; writes since its last flush may be lost")],
            _ => [],
        };
    }

    private static HostFate Lost(string dead, string other, string does, double seconds, string about) =>
        new(dead, true, seconds, $"if {dead} died now: {other} {does} about {about}, 0 acknowledged writes lost");

    /// <summary>
    /// The last measured loss of this VM here, else what the heartbeat's settings allow and a term usually takes.
    /// </summary>
    private static double TakeoverSeconds(NodeRuntime node, string vm)
    {
        FailoverReport? measured = node.History.Reports(vm)
            .FirstOrDefault(report => report is { RunningMs: not null, Kind: not "switchover" });
        double setting = (node.Options.Heartbeat.LostAfter + node.Options.Heartbeat.Interval).TotalMilliseconds;
        return (measured is null
            ? setting + 50 : Math.Max(measured.SilentMs ?? 0, setting) + measured.RunningMs!.Value) / 1000;
    }

    private static string RequestedOf(VmView view, string word) => word switch
    {
        "PROTECTED" or "OFF" => string.Empty,
        "NOT PROTECTED" when IsGivenUp(view) => "wanted: one copy, since `colo unprotect`",
        "NOT PROTECTED" =>
            $"wanted: two copies; is: one{(view.WaitsFor.Length > 0 ? $"; waits for {view.WaitsFor}" : string.Empty)}",
        _ => view.WaitsFor.Length > 0 ? $"waits for {view.WaitsFor}" : string.Empty,
    };

    private static bool IsGivenUp(VmView view) => view.WaitsFor == VmViews.GivenUp(view.Name);

    private static string NextOf(VmView view, string word, string[] paused) => word switch
    {
        "PROTECTED" =>
            paused.Length == 0 ? "nothing to do"
            : $"`colo resume-protection {view.Name}` of {string.Join(" and of ", paused)} when the maintenance is over",
        "OFF" => $"`colo vm start {view.Name}` boots it",
        "HOLDING" when view.WaitsFor.StartsWith("the operator", StringComparison.Ordinal) =>
            $"make sure that the other host is off, then `colo failover {view.Name} --reason TEXT`",
        "HOLDING" => "look at the arbiter: nothing leaves until it answers",
        "NOT PROTECTED" when view.Protection == "Protecting" =>
            "nothing to do; `colo wait " + view.Name + " --for protected` tells when it is done",
        "NOT PROTECTED" when IsGivenUp(view) => $"`colo protect {view.Name}` when it shall have two copies again",
        "NOT PROTECTED" => $"start another host of {string.Join(", ", view.Nodes)}; it joins by itself. `colo history {view.Name}` says what happened",
        "UNKNOWN" => "the host that runs it is not heard by this node: ask that host, or wait for the fail-over",
        _ => $"`colo describe {view.Name}` says what it waits for",
    };

    private static List<VmHostRow> RowsOf(List<(VmView View, double AgeMs)> views, IReadOnlyList<MemberView> members)
    {
        var rows = new List<VmHostRow>();
        IEnumerable<string> names = views.SelectMany(entry => entry.View.Nodes)
            .Concat(views.Select(entry => entry.View.Host)).Distinct();
        foreach (string name in names)
        {
            MemberView? member = members.FirstOrDefault(known => known.Node == name);
            (VmView? view, double age) = views.FirstOrDefault(entry => entry.View.Host == name);
            bool stale = member is not { Status: "Up", IsFresh: true };
            rows.Add(new VmHostRow(
                name, view is null || view.Role == "None" ? "-" : member is { Status: "Unreachable" }
                    ? $"was {view.Role.ToLowerInvariant()}"
                    : view.Role.ToLowerInvariant(), StateOf(view, member), member?.HeardMs, stale,
                view is null ? null : age, view?.Epoch, DiskOf(view), member?.LinkMs));
        }

        rows.AddRange(members.Where(member => member.Roles.Contains("witness")).Select(member => new VmHostRow(
            member.Node, "-", member.Status == "Up" ? "granting" : member.Status.ToLowerInvariant(), member.HeardMs,
            member is not { Status: "Up", IsFresh: true }, null, null, "-", member.LinkMs)));
        return rows;
    }

    private static string StateOf(VmView? view, MemberView? member) => member switch
    {
        null => "not a member",
        { Status: "Joining" } => "never heard",
        { Status: "Unreachable" } => $"lost ({member.Lost})",
        _ => view?.Gauges is { Machine: not "off" } gauges ? gauges.Machine : view?.State.ToLowerInvariant()
            ?? "silent",
    };

    private static string DiskOf(VmView? view) => view switch
    {
        null or { ReplicatedDisks: 0 } => "-",
        { ResyncPercent: { } percent } => string.Create(CultureInfo.InvariantCulture, $"copying {percent:0} %"),
        { Role: "Secondary", Gauges: { } gauges } => $"buffer {gauges.DiskBufferBytes >> 10} KiB",
        { Role: "Primary", Gauges.DiskLagBytes: 0 } => "in step",
        { Role: "Primary", Gauges: { } gauges } => $"{gauges.DiskLagBytes >> 10} KiB behind",
        { Role: "Solo" } => "alone",
        _ => "-",
    };
}
