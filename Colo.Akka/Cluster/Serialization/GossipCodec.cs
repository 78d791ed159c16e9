using Akka.Cluster.Serialization.Proto;
using Akka.Remote.Transport;
using Akka.Util;
using System.Collections.Immutable;

namespace Akka.Cluster.Serialization;

/// <summary>Turns a gossip into its wire form and back. A gossip that names what is not in its tables is
/// refused.</summary>
internal static class GossipCodec
{
    internal static GossipData Encode(Gossip gossip)
    {
        var data = new GossipData();
        var index = new Dictionary<UniqueAddress, uint>();
        foreach (var member in gossip.Members)
        {
            data.Members.Add(new MemberData
            {
                Node = IndexOf(member.UniqueAddress),
                UpNumber = member.UpNumber,
                Status = (uint)member.Status,
                AppVersion = member.AppVersion.Version,
                Roles = { member.Roles.Order(StringComparer.Ordinal) },
            });
        }

        data.Observations.AddRange(gossip.Reachability.Records.Select(record => new ObservationData
        {
            Observer = IndexOf(record.Observer),
            Subject = IndexOf(record.Subject),
            Status = (uint)record.Status,
            Version = record.Version,
        }));
        data.ObserverVersions.AddRange(gossip.Reachability.Versions.Select(Count));
        data.SeenBy.AddRange(gossip.SeenBy.Select(IndexOf));
        data.Version.AddRange(gossip.Version.Counts.Select(Count));
        data.Tombstones.AddRange(gossip.Tombstones.Select(Count));
        return data;

        CountData Count(KeyValuePair<UniqueAddress, long> item) => new() { Node = IndexOf(item.Key), Count = item.Value };

        uint IndexOf(UniqueAddress node)
        {
            if (!index.TryGetValue(node, out var position))
            {
                position = (uint)data.Nodes.Count;
                index.Add(node, position);
                data.Nodes.Add(Encode(node));
            }

            return position;
        }
    }

    /// <exception cref="FormatException">The data contradict themselves.</exception>
    internal static Gossip Decode(GossipData data)
    {
        var nodes = data.Nodes.Select(Decode).ToList();
        var members = data.Members
            .Select(m => Member.Create(At(m.Node), m.UpNumber, StatusOf(m.Status), [.. m.Roles], AppVersion.Create(m.AppVersion)))
            .ToImmutableSortedSet();
        var records = data.Observations
            .Select(r => new ReachabilityRecord(At(r.Observer), At(r.Subject), ObservationOf(r.Status), r.Version))
            .ToImmutableList();
        return new Gossip(
            members,
            new Reachability(records, Counts(data.ObserverVersions).ToImmutableDictionary()),
            [.. data.SeenBy.Select(At)],
            new VectorClock(Counts(data.Version).ToImmutableSortedDictionary()),
            Counts(data.Tombstones).ToImmutableDictionary());

        Dictionary<UniqueAddress, long> Counts(IEnumerable<CountData> counts)
        {
            var result = new Dictionary<UniqueAddress, long>();
            foreach (var count in counts)
            {
                result[At(count.Node)] = count.Count;
            }

            return result;
        }

        UniqueAddress At(uint index) => index < nodes.Count
            ? nodes[(int)index]
            : throw new FormatException($"The gossip names node {index} of {nodes.Count}.");
    }

    internal static NodeData Encode(UniqueAddress node) =>
        new() { Address = Wire.ToData(node.Address), Uid = node.Uid };

    /// <exception cref="FormatException">Not an address that can be reached.</exception>
    internal static UniqueAddress Decode(NodeData data) => new(Wire.ToAddress(data?.Address), data?.Uid ?? 0);

    private static MemberStatus StatusOf(uint status) => status <= (uint)MemberStatus.WeaklyUp && status != (uint)MemberStatus.Removed
        ? (MemberStatus)status
        : throw new FormatException($"A member of status {status}.");

    private static ReachabilityStatus ObservationOf(uint status) => status <= (uint)ReachabilityStatus.Terminated
        ? (ReachabilityStatus)status
        : throw new FormatException($"An observation of status {status}.");
}
