using Colo.Actors.Protocol;
using Colo.Actors.Vm;
using Colo.Host.Cluster;

namespace Colo.Host.Node;

/// <summary>
/// The node's measurements in Prometheus's text form (exposition format 0.0.4). Names end in their unit; counters only
/// rise during one life of the node. Label values are escaped as the format says.
/// </summary>
internal static class Metrics
{
    public static string Render(NodeRuntime node)
    {
        var text = new MetricText();
        OfVms(text, node);
        OfMachines(text, node);
        OfCheckpoints(text, node);
        OfCluster(text, node);
        return text.ToString();
    }

    private static void OfVms(MetricText text, NodeRuntime node)
    {
        void Add(string name, string kind, string help, Func<VmRecord, double> value)
        {
            text.Begin(name, kind, help);
            foreach (VmRecord vm in node.Vms)
            {
                text.Sample(name, value(vm), Labels(node, vm));
            }
        }

        Add("colo_protected", "gauge", "1 while the loss of either host would be survived", vm =>
            vm.Status?.Protection == ProtectionState.Protected ? 1 : 0);
        Add("colo_term", "gauge", "Term of the arbiter's record", vm => vm.Status?.Term.Value ?? 0);
        Add("colo_epoch", "gauge", "Number of the last checkpoint", vm => vm.Status?.Epoch.Value ?? 0);
        Add("colo_automatic_role_change", "gauge", "0 while this host changes no roles by itself", vm =>
            vm.IsProtectionPaused ? 0 : 1);
        text.Begin(
            "colo_failover_seconds", "gauge",
            "The last loss of a host that this one took note of, no switchover: time from the loss to this phase");
        foreach (VmRecord vm in node.Vms)
        {
            if (node.History.Reports(vm.Definition.Name)
                .FirstOrDefault(report => report.Kind != "switchover") is { } report)
            {
                foreach ((string phase, double? ms) in ((string, double?)[])
                    [("detection", report.SilentMs), ("term", report.TermMs), ("takeover", report.RunningMs),
                        ("protected", report.ProtectedMs)])
                {
                    if (ms is { } reached)
                    {
                        text.Sample("colo_failover_seconds", reached / 1000, [.. Labels(node, vm), ("phase", phase)]);
                    }
                }
            }
        }
    }

    private static void OfMachines(MetricText text, NodeRuntime node)
    {
        void Add(string name, string kind, string help, Func<VmGauges, double> value)
        {
            text.Begin(name, kind, help);
            foreach (VmRecord vm in node.Vms)
            {
                text.Sample(name, vm.Backend?.Inspect() is { } gauges ? value(gauges) : 0, Labels(node, vm));
            }
        }

        text.Begin(
            "colo_frames_total", "counter", "Frames of the guest by what let them leave, and those that had to wait");
        foreach (VmRecord vm in node.Vms)
        {
            VmGauges gauges = vm.Backend?.Inspect() ?? new VmGauges();
            foreach ((string fate, long count) in ((string, long)[])
                [("matched", gauges.FramesMatched), ("committed", gauges.FramesCommitted), ("solo", gauges.FramesSolo),
                    ("held", gauges.FramesHeld)])
            {
                text.Sample("colo_frames_total", count, [.. Labels(node, vm), ("fate", fate)]);
            }
        }

        Add("colo_late_frames_total", "counter", "Mirrored frames not delivered, because an image had brought them", g =>
            g.FramesLate);
        Add("colo_mismatches_total", "counter", "Checkpoints asked for because the replicas differed", g =>
            g.Mismatches);
        Add("colo_disk_lag_bytes", "gauge", "Disk writes not yet acknowledged by the peer", g => g.DiskLagBytes);
        Add("colo_overlay_bytes", "gauge", "Fill of the secondary's disk buffer", g => g.DiskBufferBytes);
        Add("colo_resync_done_bytes", "gauge", "Bytes of the disk copy under way that are done", g =>
            g.ResyncDoneBytes);
        Add("colo_resync_bytes", "gauge", "Bytes of the disk copy under way in all; 0 when none runs", g =>
            g.ResyncTotalBytes);
        Add("colo_compiled_regions_total", "counter", "Regions of guest code compiled", g => g.Tier?.Regions ?? 0);
        Add("colo_evicted_regions_total", "counter", "Compiled regions dropped to make room", g => g.Tier?.Evicted ?? 0);
        Add("colo_decoded_evictions_total", "counter", "Times that the oldest decoded code was dropped to make room", g =>
            g.Tier?.DecodedEvictions ?? 0);
        Add("colo_chained_regions_total", "counter", "Times that a compiled region went on in another one by itself", g =>
            g.Tier?.Chained ?? 0);
        OfTiers(text, node);
    }

    private static void OfTiers(MetricText text, NodeRuntime node)
    {
        text.Begin("colo_tier_seconds_total", "counter", "Time spent executing the guest, by execution tier");
        foreach (VmRecord vm in node.Vms)
        {
            VmTierGauges? tier = vm.Backend?.Inspect()?.Tier;
            (string Name, string Value)[] labels = Labels(node, vm);
            text.Sample("colo_tier_seconds_total", tier?.CompiledTime.TotalSeconds ?? 0, [.. labels, ("tier", "compiled")]);
            text.Sample("colo_tier_seconds_total", tier?.InterpretedTime.TotalSeconds ?? 0, [.. labels, ("tier", "interpreter")]);
        }

        text.Begin("colo_compiled_exits_total", "counter", "Times that compiled code was left, by reason");
        foreach (VmRecord vm in node.Vms)
        {
            foreach ((string reason, long count) in vm.Backend?.Inspect()?.Tier?.Exits ?? new Dictionary<string, long>())
            {
                text.Sample("colo_compiled_exits_total", count, [.. Labels(node, vm), ("reason", reason)]);
            }
        }
    }

    private static void OfCheckpoints(MetricText text, NodeRuntime node)
    {
        text.Begin("colo_checkpoints_total", "counter", "Checkpoints captured here, by what asked for them");
        foreach (VmRecord vm in node.Vms)
        {
            foreach ((string reason, long count) in vm.Journal.Reasons())
            {
                text.Sample("colo_checkpoints_total", count, [.. Labels(node, vm), ("reason", reason)]);
            }
        }

        text.Begin("colo_checkpoint_bytes_total", "counter", "Bytes sent for checkpoints");
        foreach (VmRecord vm in node.Vms)
        {
            text.Sample("colo_checkpoint_bytes_total", vm.Journal.Bytes, Labels(node, vm));
        }

        text.Begin(
            "colo_checkpoint_pause_seconds", "histogram",
            "Time of each phase of checkpoints; the guest stands during capture");
        foreach (VmRecord vm in node.Vms)
        {
            vm.Journal.Histograms((phase, histogram) =>
                text.Histogram("colo_checkpoint_pause_seconds", histogram, [.. Labels(node, vm), ("phase", phase)]));
        }
    }

    private static void OfCluster(MetricText text, NodeRuntime node)
    {
        IReadOnlyList<MemberView> peers = [.. node.Members().Where(member => member.Node != node.Self.Host.Name)];
        text.Begin("colo_node_up", "gauge", "1 while the peer is heard");
        foreach (MemberView peer in peers)
        {
            text.Sample(
                "colo_node_up", peer.Status == "Up" ? 1 : 0, [("host", node.Self.Host.Name), ("peer", peer.Node)]);
        }

        text.Begin("colo_heartbeat_age_seconds", "gauge", "Age of the peer's last heartbeat");
        foreach (MemberView peer in peers.Where(peer => peer.HeardMs is not null))
        {
            text.Sample(
                "colo_heartbeat_age_seconds", peer.HeardMs!.Value / 1000,
                [("host", node.Self.Host.Name), ("peer", peer.Node)]);
        }

        text.Begin("colo_link_seconds", "gauge", "Round trip to the peer's management over the control link");
        foreach (MemberView peer in peers.Where(peer => peer.LinkMs is not null))
        {
            text.Sample(
                "colo_link_seconds", peer.LinkMs!.Value / 1000, [("host", node.Self.Host.Name), ("peer", peer.Node)]);
        }
    }

    private static (string Name, string Value)[] Labels(NodeRuntime node, VmRecord vm) =>
        [("vm", vm.Definition.Name), ("host", node.Self.Host.Name), ("role", vm.Status?.Role.ToString() ?? "None")];
}
