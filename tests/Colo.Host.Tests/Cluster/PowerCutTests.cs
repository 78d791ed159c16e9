using System.Buffers.Binary;
using Colo.Actors.Protocol;

namespace Colo.Host.Tests.Cluster;

/// <summary>
/// Hosts of a pair with a real machine lose their power, and with it any part of what they had written and not flushed
/// (F22, F35): what the guest has flushed is there, and the disks become equal again.
/// </summary>
public sealed class PowerCutTests
{
    private const int DiskBytes = 8 << 20;

    [Fact]
    public async Task What_the_guest_has_flushed_is_there_whoever_loses_its_power()
    {
        var power = new Dictionary<LoopbackNode, PowerCuts>();
        await using var pair = new RealPair(string.Empty, DiskBytes, node =>
        {
            power[node] = new PowerCuts(power.Count * 100);
            node.Files = power[node].Open;
        });
        await pair.StartAsync();
        LoopbackNode primary = await pair.PrimaryAsync();
        LoopbackNode secondary = pair.Other(primary);
        await RealPair.GoesOnAsync(primary);

        // The secondary: its host comes back with a disk of which nobody knows what it has.
        power[secondary].Cut();
        await secondary.StopAsync();
        await RealPair.GoesOnAsync(primary);
        long before = primary.Runtime.Events.LastId;
        await secondary.StartAsync();
        await primary.WhenAsync("web", EventCode.PairEstablished, before);
        await pair.AssertEqualAsync(primary);

        // The primary. What counts is the history of the guest that goes on: no client has seen more of the other's.
        before = secondary.Runtime.Events.LastId;
        power[primary].Cut();
        await primary.StopAsync();
        await secondary.WhenAsync("web", EventCode.DiskMerged, before);
        await RealPair.GoesOnAsync(secondary);
        long flushed = RealPair.Count(secondary);
        AssertHas(power[secondary].Content(pair.DiskOf(secondary)), flushed);
        await primary.StartAsync();
        await secondary.WhenAsync("web", EventCode.PairEstablished, before);
        await pair.AssertEqualAsync(secondary);

        // Everything at once. The witness first, so that nobody does in its last moments what it could not do any more.
        (primary, secondary) = (secondary, primary);
        await pair.Cluster["witness"].StopAsync();
        flushed = RealPair.Count(primary);
        foreach (LoopbackNode node in pair.Hosts)
        {
            power[node].Cut();
        }

        await Task.WhenAll(pair.Hosts.Select(node => node.StopAsync()));
        AssertHas(power[primary].Content(pair.DiskOf(primary)), flushed);
        await pair.Cluster.StartAsync();
        await pair.WholeAsync(0, 0);
        await pair.AssertEqualAsync(primary); // it has booted from that disk
    }

    /// <summary>
    /// Each page that the guest had written before its last flush is there, or pieces of what the guest has written
    /// over it since, going round.
    /// </summary>
    private static void AssertHas(byte[] disk, long flushed)
    {
        int round = disk.Length / 2 / RealPair.PageBytes;
        Assert.True(flushed > 0);
        for (long count = Math.Max(0, flushed - round); count < flushed; count++)
        {
            Span<byte> page = disk.AsSpan((int)(count % round) * RealPair.PageBytes, RealPair.PageBytes);
            for (int at = 0; at < page.Length; at += 8)
            {
                long word = BinaryPrimitives.ReadInt64LittleEndian(page[at..]) - at;
                long found = word >> 20;
                Assert.True(
                    word % (1 << 20) == 0 && found >= count && found % round == count % round,
                    $"page {count} of {flushed} that were flushed has {word:x} at {at}");
            }
        }
    }
}
