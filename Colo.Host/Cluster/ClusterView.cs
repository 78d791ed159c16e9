using System.Text.Json;
using Colo.Actors.Heartbeat;
using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;
using Colo.Host.Configuration;
using Colo.Host.Node;

namespace Colo.Host.Cluster;

/// <summary>
/// The other nodes as this node knows them: liveness from the heartbeats, and what each last said of itself and of its
/// VMs. Every fact has an age. For operators and placement only; the protocol does not look here. Any thread.
/// </summary>
public sealed class ClusterView(HostIdentity self, NodeOptions options, HeartbeatLoop heartbeats, TimeProvider time)
{
    private const int SentKept = 16;

    /// <summary>A peer that speaks, and has not spoken of a VM for so long, has it no more.</summary>
    private static readonly TimeSpan VmsKept = TimeSpan.FromMinutes(1);

    private readonly Lock gate = new();
    private readonly Dictionary<string, Heard> peers = new(StringComparer.Ordinal);

    private sealed class Heard
    {
        public NodeFacts? Facts { get; set; }

        public long FactsAt { get; set; }

        public ulong LastSequence { get; set; }

        public long LastAt { get; set; }

        public Dictionary<ulong, long> SentAt { get; } = [];

        public double? LinkMs { get; set; }

        public Dictionary<string, (VmView View, long At)> Vms { get; } = new(StringComparer.Ordinal);
    }

    /// <summary>Takes a peer's report; one that makes no sense is dropped.</summary>
    public void Take(HostId from, WireNodeReport report)
    {
        lock (gate)
        {
            Heard heard = Of(from.Name);
            long now = time.GetTimestamp();
            heard.LastSequence = report.Sequence;
            heard.LastAt = now;
            if (heard.SentAt.Remove(report.EchoSequence, out long sent))
            {
                double held = Math.Min(report.EchoHeldMicros, 60_000_000UL) / 1000.0;
                heard.LinkMs = Math.Max(0, time.GetElapsedTime(sent, now).TotalMilliseconds - held);
            }

            try
            {
                if (JsonSerializer.Deserialize<NodeFacts>(report.Json, JsonSerializerOptions.Web) is
                    { Name: not null, FailureDomain: not null, Arbiter: not null, Program: not null } facts)
                {
                    heard.Facts = facts;
                    heard.FactsAt = now;
                }

                foreach (string vm in report.Vms)
                {
                    // What the peer left out is null here, whatever the type says.
                    if (JsonSerializer.Deserialize<VmView>(vm, JsonSerializerOptions.Web) is
                        { Name.Length: > 0, Role: not null, Protection: not null, State: not null, WaitsFor: not null,
                            Mode: not null, Nodes: not null, Why: not null, GuestSilent: not null } view
                        && view.Nodes.All(name => name is not null))
                    {
                        heard.Vms[view.Name] = (view with { Host = from.Name }, now);
                    }
                }
            }
            catch (Exception problem) when (problem is JsonException or NotSupportedException)
            {
                // A peer of another version; what it said before grows old and is shown as such.
            }

            foreach (string vm in heard.Vms.Keys.Where(vm => time.GetElapsedTime(heard.Vms[vm].At, now) > VmsKept))
            {
                heard.Vms.Remove(vm);
            }
        }
    }

    /// <summary>Fills in what a report to this peer says about the way to it.</summary>
    public void Stamp(HostId to, WireNodeReport report)
    {
        lock (gate)
        {
            Heard heard = Of(to.Name);
            long now = time.GetTimestamp();
            heard.SentAt[report.Sequence] = now;
            if (heard.SentAt.Count > SentKept)
            {
                heard.SentAt.Remove(heard.SentAt.Keys.Min());
            }

            report.EchoSequence = heard.LastSequence;
            report.EchoHeldMicros = heard.LastAt == 0
                ? 0 : (ulong)time.GetElapsedTime(heard.LastAt, now).TotalMicroseconds;
        }
    }

    /// <summary>All nodes with this one, by name.</summary>
    public IReadOnlyList<MemberView> Members(NodeFacts own)
    {
        IReadOnlyList<PeerGlance> glances = heartbeats.Peers();
        lock (gate)
        {
            IEnumerable<MemberView> others = glances.Select(
                glance => MemberOf(glance, peers.GetValueOrDefault(glance.Host.Name)));
            var me = new MemberView(
                self.Host.Name, "Up", [options.IsWitness ? "witness" : "host"], self.Incarnation.Value, 0, 0,
                [.. options.Listen.Select(_ => true)], null, own, 0);
            return [.. others.Append(me).OrderBy(member => member.Node, StringComparer.Ordinal)];
        }
    }

    /// <summary>What the peers last said about a VM, with the age of it.</summary>
    public IReadOnlyList<(VmView View, double AgeMs)> Of(VmId vm)
    {
        lock (gate)
        {
            return
            [
                .. peers.Values.Where(heard => heard.Vms.ContainsKey(vm.Name))
                    .Select(heard =>
                        (heard.Vms[vm.Name].View, time.GetElapsedTime(heard.Vms[vm.Name].At).TotalMilliseconds)),
            ];
        }
    }

    /// <summary>Names of VMs that peers speak of lately.</summary>
    public IReadOnlyList<string> Names()
    {
        lock (gate)
        {
            return [.. peers.Values.SelectMany(heard => heard.Vms)
                .Where(vm => time.GetElapsedTime(vm.Value.At) < TimeSpan.FromSeconds(10)).Select(vm => vm.Key)
                    .Distinct()];
        }
    }

    private Heard Of(string peer)
    {
        if (!peers.TryGetValue(peer, out Heard? heard))
        {
            peers[peer] = heard = new Heard();
        }

        return heard;
    }

    private MemberView MemberOf(PeerGlance glance, Heard? heard)
    {
        string status = glance.Identity is null ? "Joining" : glance.Lost is null ? "Up" : "Unreachable";
        TimeSpan believed = (3 * options.Heartbeat.Interval) + options.Heartbeat.PauseAccepted;
        return new MemberView(
            glance.Host.Name, status, heard?.Facts is { } facts
                ? [facts.IsWitness ? "witness" : "host"] : [], glance.Identity?.Incarnation.Value,
            glance.Age?.TotalMilliseconds, status == "Up"
                ? heard?.LinkMs : null, [.. glance.LinksUp], glance.Lost?.ToString(), heard?.Facts,
            heard?.Facts is null ? null : time.GetElapsedTime(heard.FactsAt).TotalMilliseconds)
        {
            IsFresh = glance.Age is { } age && age <= believed,
        };
    }
}
