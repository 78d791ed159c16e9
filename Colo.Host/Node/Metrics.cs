using System.Globalization;
using System.Text;
using Colo.Actors.Protocol;
using Colo.Actors.Vm;

namespace Colo.Host.Node;

/// <summary>The node's measurements in Prometheus's text form (exposition format 0.0.4).</summary>
internal static class Metrics
{
    public static string Render(NodeRuntime node)
    {
        var text = new StringBuilder();
        IReadOnlyList<VmRecord> vms = node.Vms;
        Family(text, "colo_protected", "gauge", "1 while the loss of either host would be survived", vms,
            vm => vm.Status?.Protection == ProtectionState.Protected ? 1 : 0, node);
        Family(text, "colo_term", "gauge", "Term of the arbiter's record", vms, vm => vm.Status?.Term.Value ?? 0, node);
        Family(text, "colo_epoch", "gauge", "Number of the last checkpoint", vms, vm => vm.Status?.Epoch.Value ?? 0, node);
        Family(text, "colo_checkpoints_total", "counter", "Checkpoints captured here", vms, vm => vm.Checkpoints, node);
        Gauges(text, vms, node);
        return text.ToString();
    }

    private static void Gauges(StringBuilder text, IReadOnlyList<VmRecord> vms, NodeRuntime node)
    {
        void Add(string name, string kind, string help, Func<VmGauges, double> value) => Family(
            text, name, kind, help, vms, vm => vm.Backend?.Inspect() is { } gauges ? value(gauges) : 0, node);

        Add("colo_frames_matched_total", "counter", "Frames released because both replicas made them", g => g.FramesMatched);
        Add("colo_frames_committed_total", "counter", "Frames released by a committed checkpoint", g => g.FramesCommitted);
        Add("colo_frames_solo_total", "counter", "Frames released by the only owner", g => g.FramesSolo);
        Add("colo_frames_held_total", "counter", "Frames that had to wait", g => g.FramesHeld);
        Add("colo_mismatches_total", "counter", "Checkpoints asked for because the replicas differed", g => g.Mismatches);
        Add("colo_checkpoint_pause_seconds", "gauge", "Pause of the guest at the last checkpoint", g => g.LastPause.TotalSeconds);
        Add("colo_checkpoint_seconds", "gauge", "Request to commit of the last checkpoint", g => g.LastCheckpoint.TotalSeconds);
        Add("colo_disk_lag_bytes", "gauge", "Disk writes not yet acknowledged by the peer", g => g.DiskLagBytes);
        Add("colo_disk_buffer_bytes", "gauge", "Fill of the secondary's disk buffer", g => g.DiskBufferBytes);
    }

    private static void Family(
        StringBuilder text, string name, string kind, string help, IReadOnlyList<VmRecord> vms, Func<VmRecord, double> value, NodeRuntime node)
    {
        text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {kind}\n");
        foreach (VmRecord vm in vms)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"{name}{{vm=\"{vm.Definition.Name}\",host=\"{node.Self.Host.Name}\",role=\"{vm.Status?.Role.ToString() ?? "None"}\"}} {value(vm)}\n");
        }
    }
}
