using Colo.Vmm.Net;
using Xunit.Abstractions;

namespace Colo.Vmm.Tests.Net;

/// <summary>
/// The same frames into QEMU's colo-compare and into ours, through the same kind of sockets. Where QEMU is right,
/// both release the same; docs/comparer-vs-qemu.md lists the rest, and these tests hold that table to what both do.
/// </summary>
[Trait("Category", "e2e")]
public sealed class ComparerBesideQemuTests(ITestOutputHelper log)
{
    private const TcpFlags Ack = TcpFlags.Ack;

    private sealed record Step(bool IsPrimary, byte[] Frame);

    private static Step P(byte[] frame) => new(true, frame);

    private static Step S(byte[] frame) => new(false, frame);

    private static byte[] Data(uint seq, int count, uint ack = 500, TcpFlags flags = Ack, int padTo = 0) =>
        TestFrames.Tcp(seq, ack, flags, [.. Enumerable.Range((int)seq, count).Select(i => (byte)i)], padTo: padTo);

    private static Dictionary<string, Step[]> Scenarios()
    {
        var pieces = Enumerable.Range(0, 5).Select(i => Data((uint)(1000 + (i * 20)), 20)).ToArray();
        var datagram = TestFrames.Udp(new byte[300]);
        return new()
        {
            ["equal segments"] = [P(Data(1000, 100)), S(Data(1000, 100))],
            ["primary long, secondary short"] = [P(Data(1000, 100)), .. pieces.Select(S)],
            ["primary short, secondary long"] = [.. pieces.Select(P), S(Data(1000, 100))],
            ["secondary first"] = [.. pieces.Select(S), P(Data(1000, 100))],
            ["different bytes"] = [P(TestFrames.Tcp(1, 5, Ack, [1])), S(TestFrames.Tcp(1, 5, Ack, [2]))],
            ["syn answers with other numbers"] =
                [P(TestFrames.Tcp(1, 5, TcpFlags.Syn | Ack, [])), S(TestFrames.Tcp(999, 5, TcpFlags.Syn | Ack, []))],
            ["equal pure acks"] = [P(TestFrames.Tcp(1, 5, Ack, [])), S(TestFrames.Tcp(1, 5, Ack, []))],
            ["equal datagrams"] = [P(TestFrames.Udp([1])), S(TestFrames.Udp([1], ipId: 5))],
            ["equal echoes"] = [P(TestFrames.Icmp(0, 1, [1])), S(TestFrames.Icmp(0, 1, [1], ipId: 5))],
            ["different datagrams"] = [P(TestFrames.Udp([1])), S(TestFrames.Udp([2]))],
            ["retransmission"] = [P(Data(1000, 10)), S(Data(1000, 10)), P(Data(1000, 10))],
            ["pure ack above the secondary's"] = [P(TestFrames.Tcp(1, 900, Ack, [])), S(TestFrames.Tcp(1, 800, Ack, []))],
            ["data with an ack above the secondary's"] = [P(Data(1000, 10, ack: 900)), S(Data(1000, 10, ack: 800))],
            ["secondary acks before the primary does"] = [S(TestFrames.Tcp(1, 900, Ack, [])), P(TestFrames.Tcp(1, 900, Ack, []))],
            ["fin on one side"] = [P(Data(1000, 10, flags: Ack | TcpFlags.Fin)), S(Data(1000, 10)), S(Data(1010, 10))],
            ["reset against data"] = [P(TestFrames.Tcp(1000, 0, TcpFlags.Rst, [])), S(Data(1000, 10))],
            ["padding"] = [P(TestFrames.Tcp(1, 5, Ack, [1], padTo: 60)), S(TestFrames.Tcp(1, 5, Ack, [1]))],
            ["misaligned segments"] = [P(Data(1000, 10)), S(TestFrames.Tcp(1005, 500, Ack, [232, 233, 234, 235, 236, 237, 238, 239, 240, 241]))],
            ["arp"] = [P(TestFrames.Arp(1, 2))],
            ["unknown protocol"] = [P(TestFrames.Unknown(1))],
            ["ipv6 segment"] = [P(TestFrames.Tcp(1, 5, Ack, [1], ipv6: true))],
            ["tagged segment"] = [P(TestFrames.Tcp(1, 5, Ack, [1], vlan: 5))],
            ["datagrams in another order"] = [P(TestFrames.Udp([1])), P(TestFrames.Udp([2])), S(TestFrames.Udp([2])), S(TestFrames.Udp([1]))],
            ["other fragments of an equal datagram"] =
                [.. TestFrames.Fragment(datagram, 96, 1).Select(P), .. TestFrames.Fragment(datagram, 200, 2).Select(S)],
            ["sctp with another ip id"] = [P(TestFrames.Ip(132, new byte[20], true, false)), S(TestFrames.Ip(132, new byte[20], true, false, ipId: 8))],
        };
    }

    // Scenario, frames released by QEMU, by us. Equal numbers: the two agree.
    public static TheoryData<string, int, int> Table() => new()
    {
        { "equal segments", 1, 1 },
        { "primary long, secondary short", 1, 1 },
        { "primary short, secondary long", 5, 5 },
        { "secondary first", 1, 1 },
        { "different bytes", 0, 0 },
        { "syn answers with other numbers", 1, 1 },
        { "equal pure acks", 1, 1 },
        { "equal datagrams", 1, 1 },
        { "equal echoes", 1, 1 },
        { "different datagrams", 0, 0 },
        { "retransmission", 1, 2 },
        { "pure ack above the secondary's", 1, 0 },
        { "data with an ack above the secondary's", 1, 0 },
        { "secondary acks before the primary does", 1, 1 },
        { "fin on one side", 1, 0 },
        { "reset against data", 1, 0 },
        { "padding", 0, 1 },
        { "misaligned segments", 1, 0 },
        { "arp", 1, 0 },
        { "unknown protocol", 1, 0 },
        { "ipv6 segment", 1, 0 },
        { "tagged segment", 1, 0 },
        { "datagrams in another order", 2, 0 },
        { "other fragments of an equal datagram", 0, 4 },
        { "sctp with another ip id", 0, 1 },
    };

    [Theory]
    [MemberData(nameof(Table))]
    public void Releases_what_the_table_says(string scenario, int byQemu, int byUs)
    {
        var steps = Scenarios()[scenario];
        var theirs = InQemu(steps);
        var ours = InOurs(steps);
        log.WriteLine($"{scenario}: QEMU {theirs.Length}, ours {ours.Length}");
        Assert.Equal((byQemu, byUs), (theirs.Length, ours.Length));
        if (byQemu == byUs)
        {
            Assert.Equal(theirs, ours);
        }
    }

    [Fact]
    public void Equal_streams_of_any_segmentation_are_released_alike()
    {
        for (var seed = 0; seed < 10; seed++)
        {
            var random = new Random(seed);
            var start = (uint)random.NextInt64(1L << 32);
            var stream = new byte[20_000];
            random.NextBytes(stream);
            var steps = Cut(random, start, stream, P).Concat(Cut(random, start, stream, S)).ToList();
            var primaries = new Queue<Step>(steps.Where(s => s.IsPrimary));
            var secondaries = new Queue<Step>(steps.Where(s => !s.IsPrimary));
            List<Step> mixed = [];
            while (primaries.Count + secondaries.Count > 0)
            {
                var queue = secondaries.Count == 0 || (primaries.Count > 0 && random.Next(2) == 0) ? primaries : secondaries;
                mixed.Add(queue.Dequeue());
            }
            var theirs = Payload(InQemu(mixed));
            var ours = Payload(InOurs(mixed));
            Assert.True(stream.AsSpan().SequenceEqual(ours), $"seed {seed}: ours released {ours.Length} bytes");
            Assert.True(stream.AsSpan().SequenceEqual(theirs), $"seed {seed}: QEMU released {theirs.Length} bytes");
        }
    }

    private static IEnumerable<Step> Cut(Random random, uint start, byte[] stream, Func<byte[], Step> step)
    {
        for (var at = 0; at < stream.Length;)
        {
            var length = Math.Min(random.Next(1, 1461), stream.Length - at);
            yield return step(TestFrames.Tcp(unchecked(start + (uint)at), 500, Ack, stream.AsSpan(at, length)));
            at += length;
        }
    }

    private static byte[] Payload(byte[][] frames) => [.. frames.SelectMany(f =>
    {
        var view = FrameView.Parse(f);
        return f[view.PayloadOffset..view.End];
    })];

    private static byte[][] InQemu(IEnumerable<Step> steps)
    {
        using var qemu = new QemuCompareProcess();
        using var rig = new CompareRig(qemu.Primary, qemu.Secondary, qemu.Output);
        return Run(rig, steps);
    }

    private static byte[][] InOurs(IEnumerable<Step> steps)
    {
        var (primary, primaryIn) = StreamFramingTests.Pair();
        var (secondary, secondaryIn) = StreamFramingTests.Pair();
        var (output, outputOut) = StreamFramingTests.Pair();
        var options = new ComparerOptions { CompareTimeout = TimeSpan.FromMinutes(10) };
        using var compare = new CompareEndpoint(primaryIn, secondaryIn, outputOut, options, TimeProvider.System);
        using var rig = new CompareRig(primary, secondary, output);
        return Run(rig, steps);
    }

    private static byte[][] Run(CompareRig rig, IEnumerable<Step> steps)
    {
        rig.Settle();
        foreach (var step in steps)
        {
            (step.IsPrimary ? (Action<byte[]>)rig.Primary : rig.Secondary)(step.Frame);
            rig.Settle();
        }
        return rig.Settle();
    }
}
