using Colo.Actors.Network;
using Colo.Vmm.Net;

namespace Colo.Host.Node;

/// <summary>One connection of a VM's guest on both sides; see <see cref="ConnectionPosition"/>.</summary>
/// <param name="AheadBytes">How far the primary is ahead of the secondary, negative when it is behind; null where both
/// are not known.</param>
public sealed record ConnectionView(
    string Connection, uint? ReleasedTo, uint? PrimarySent, uint? SecondarySent, uint? ReleasedAck, uint? PrimaryAck,
    uint? SecondaryAck, int? AheadBytes, uint? RewriterOffset, int Held, int SecondaryWaiting, bool HasDiffered,
    bool IsPassThrough)
{
    public static ConnectionView Of(ConnectionPosition position) => new(
        PacketTap.TextOf(position.Key), position.ReleasedTo, position.PrimarySent, position.SecondarySent,
        position.ReleasedAck, position.PrimaryAck, position.SecondaryAck,
        position is { PrimarySent: { } primary, SecondarySent: { } secondary }
            ? new SequenceNumber(primary) - new SequenceNumber(secondary) : null,
        position.RewriterOffset, position.Held, position.SecondaryWaiting, position.HasDiffered,
        position.IsPassThrough);
}

/// <summary>Why a VM's guests diverge, as this host sees it.</summary>
/// <param name="Compares">Whether this host compares: the primary does, and only in the embedded machine.</param>
/// <param name="Connections">Those used last, the latest first.</param>
/// <param name="ByReason">How often each reason is among the mismatches that are kept.</param>
/// <param name="Mismatches">The last ones, newest first.</param>
/// <param name="ShowsPayload">Whether payloads were asked for.</param>
public sealed record PacketsView(
    string Vm, string Host, string Role, bool Compares, IReadOnlyList<ConnectionView> Connections,
    IReadOnlyDictionary<string, int> ByReason, IReadOnlyList<TapEntry> Mismatches, bool ShowsPayload)
{
    /// <summary>Connections that are shown of each card.</summary>
    public const int ConnectionsMax = 200;

    public static PacketsView Of(NodeRuntime node, VmRecord vm, bool payload)
    {
        IReadOnlyList<TapEntry> mismatches = vm.Backend?.Tap?.Mismatches ?? [];
        return new PacketsView(
            vm.Definition.Name, node.Self.Host.Name, vm.Status?.Role.ToString() ?? "None",
            vm is { IsOwner: true, Backend.Tap: not null },
            [.. (vm.Backend?.Positions(ConnectionsMax) ?? []).Select(ConnectionView.Of)],
            mismatches.GroupBy(entry => entry.Reason).OrderByDescending(group => group.Count())
                .ToDictionary(group => group.Key.ToString(), group => group.Count()),
            payload ? mismatches : [.. mismatches.Select(entry => entry.WithoutPayload())], payload);
    }
}
