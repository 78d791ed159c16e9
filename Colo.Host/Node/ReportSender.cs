using System.Text.Json;
using Colo.Actors.Links;
using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;
using Colo.Host.Cluster;

namespace Colo.Host.Node;

/// <summary>
/// Tells every peer once a second what this node knows of itself and of its VMs, for their operators.
/// </summary>
internal sealed class ReportSender : IDisposable
{
    /// <summary>VMs in one frame: a frame has 64 KiB and a view a few.</summary>
    private const int VmsPerFrame = 4;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly NodeRuntime node;
    private readonly PeerLinks links;
    private readonly ClusterView cluster;
    private readonly ITimer timer;
    private ulong sequence;
    private int sending;

    public ReportSender(NodeRuntime node, PeerLinks links, ClusterView cluster, TimeProvider time)
    {
        this.node = node;
        this.links = links;
        this.cluster = cluster;
        timer = time.CreateTimer(_ => Send(), null, TimeSpan.Zero, Interval);
    }

    public void Dispose() => timer.Dispose();

    private void Send()
    {
        if (Interlocked.Exchange(ref sending, 1) == 1)
        {
            return; // the one before still runs: this host is busy
        }

        try
        {
            string facts = JsonSerializer.Serialize(node.Facts(), JsonSerializerOptions.Web);
            string[] views =
                [.. node.Vms.Select(vm => JsonSerializer.Serialize(VmViews.Of(node, vm), JsonSerializerOptions.Web))];
            foreach (HostId peer in node.Options.Peers.Select(peer => peer.Host))
            {
                SendTo(peer, facts, views);
            }
        }
        finally
        {
            Volatile.Write(ref sending, 0);
        }
    }

    private void SendTo(HostId peer, string facts, string[] views)
    {
        int first = 0;
        do
        {
            var report = new WireNodeReport { Sequence = ++sequence, Json = facts };
            report.Vms.AddRange(views.Skip(first).Take(VmsPerFrame));
            cluster.Stamp(peer, report);
            links.Report(peer, report);
            first += VmsPerFrame;
        }
        while (first < views.Length);
    }
}
