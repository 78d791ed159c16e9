using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;
using Colo.Actors.Protocol.Wire;
using Colo.Vmm.Links;
using Google.Protobuf;

namespace Colo.Host.Tests.Cluster;

/// <summary>
/// What comes to the ports of a real node of a protected pair and is no peer's word, or an old one (F15, F16, F36): it
/// is turned away and said, the node goes on, and nothing about the pair changes.
/// </summary>
public sealed class HostileInputTests(HostileInputTests.Pair pair) : IClassFixture<HostileInputTests.Pair>
{
    // Links of numbers that no network has, so that the real ones of that peer stay as they are; each its own, because
    // a link that is opened anew ends the former.
    private const int FirstChannel = 9;
    private const byte Heartbeat = 1;
    private const byte CoreMessage = 2;
    private const byte ArbiterRequest = 3;

    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(90);

    private static readonly EventCode[] Broken =
    [
        EventCode.PeerLost, EventCode.FailoverStarted, EventCode.TookOver, EventCode.WentSolo, EventCode.Evicted,
        EventCode.ReplicaDiscarded, EventCode.HigherTermSeen, EventCode.InvariantViolated, EventCode.GuestBooting,
    ];

    private int channel = FirstChannel;

    [Fact]
    public async Task Bytes_that_are_no_link_are_turned_away_by_every_port_of_every_node()
    {
        LoopbackCluster cluster = pair.Cluster;
        pair.Begin();
        byte[] open = new LinkOpen(LinkKind.CheckpointControl, 0, "web", 1, "node-b").ToBytes();
        byte[] huge = [.. open];
        BinaryPrimitives.WriteUInt16BigEndian(huge.AsSpan(14), ushort.MaxValue);
        byte[] wrongKind = [.. open];
        BinaryPrimitives.WriteUInt16BigEndian(wrongKind.AsSpan(10), 99);
        byte[] noise = new byte[70_000];
        new Random(15).NextBytes(noise);
        foreach (LoopbackNode node in cluster.Nodes)
        {
            int port = new Uri(node.Url).Port;
            foreach (IPEndPoint to in (IPEndPoint[])[node.Runtime.Options.Listen[0], new(IPAddress.Loopback, port)])
            {
                byte[] text = "GET / HTTP/9.9\r\n\r\n"u8.ToArray();
                foreach (byte[] bytes in new[] { [], noise, huge, wrongKind, open[..13], text })
                {
                    await SendAsync(to, bytes);
                }
            }

            await SaysAsync(node, "the first eight bytes are not COLOLINK");
            await SaysAsync(node, "names of 65535 and 6 bytes");
            await SaysAsync(node, "kind 99 is not one of");
            Assert.Equal(HttpStatusCode.OK, (await node.Http.GetAsync("/alive")).StatusCode);
        }

        await pair.IsWholeAsync();
    }

    [Fact]
    public async Task A_peer_of_another_version_is_told_which_one_is_spoken_here()
    {
        LoopbackCluster cluster = pair.Cluster;
        pair.Begin();
        byte[] next = new LinkOpen(LinkKind.Control, FirstChannel, string.Empty, 0, "node-b").ToBytes();
        BinaryPrimitives.WriteUInt16BigEndian(next.AsSpan(8), LinkOpen.Version + 1);
        foreach (LoopbackNode node in cluster.Nodes)
        {
            byte[] answer = await SendAsync(node.Runtime.Options.Listen[0], next);
            Assert.Equal(LinkOpen.AnswerLength, answer.Length);
            Assert.Equal(LinkOpen.Version, BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(8)));
            Assert.Equal((ushort)LinkAnswer.WrongVersion, BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(10)));
            await SaysAsync(node, $"version {LinkOpen.Version + 1}, this node speaks {LinkOpen.Version}");
        }

        await pair.IsWholeAsync();
    }

    [Fact]
    public async Task Links_of_an_old_term_of_unknown_vms_and_of_strangers_are_refused()
    {
        LoopbackCluster cluster = pair.Cluster;
        pair.Begin();
        foreach (LoopbackNode node in cluster.Nodes)
        {
            foreach (LinkKind kind in Enum.GetValues<LinkKind>().Where(kind => kind != LinkKind.Control))
            {
                string peer = Other(node);
                foreach ((string vm, string host) in new[] { ("web", peer), ("nobody", peer), ("web", "stranger") })
                {
                    LinkException refused = await Assert.ThrowsAsync<LinkException>(() =>
                        OpenAsync(node, new LinkOpen(kind, 0, vm, 1, host)));
                    Assert.NotEqual(LinkAnswer.Accepted, refused.Answer);
                }
            }

            await Assert.ThrowsAsync<LinkException>(() =>
                OpenAsync(node, new LinkOpen(LinkKind.Control, FirstChannel, string.Empty, 0, "stranger")));
        }

        await pair.IsWholeAsync();
    }

    [Fact]
    public async Task Control_frames_that_are_too_long_cut_off_or_senseless_end_their_link_and_nothing_else()
    {
        LoopbackCluster cluster = pair.Cluster;
        pair.Begin();
        HostIdentity witness = cluster["witness"].Runtime.Self;
        byte[] truncated = Frame(CoreMessage, new byte[100])[..20];
        byte[] foreign = new WireHeartbeat
        {
            From = new WireIdentity { Host = "witness", Incarnation = (ulong)witness.Incarnation.Value }, Sequence = 1,
        }.ToByteArray();
        (byte[] Bytes, string Said)[] frames =
        [
            (Head(Heartbeat, (64 << 10) + 1), "bytes that are not a control frame"),
            (Head(Heartbeat, -1), "bytes that are not a control frame"),
            (Head(0, 4), "bytes that are not a control frame"),
            (Head(99, 4), "bytes that are not a control frame"),
            (truncated, "ended: "),
            (Frame(Heartbeat, [0xff, 0xff, 0xff]), "a control frame that makes no sense"),
            (Frame(Heartbeat, foreign), "a control frame that makes no sense"),
            (Frame(CoreMessage, [0xff, 0xff, 0xff]), "message of "),
            (Frame(CoreMessage, new WirePeerMessage { Vm = "web", Kind = 77 }.ToByteArray()),
                "the sender, its term or epoch is missing"),
            (Frame(CoreMessage, PeerCodec.Encode(new VmId("web"), new LeaveNotice(witness, new Term(2), "x"))),
                "a control frame that makes no sense"),
            (Frame(ArbiterRequest, [0xff, 0xff, 0xff]), "frame of "),
        ];
        foreach (LoopbackNode node in cluster.Nodes)
        {
            string peer = Other(node);
            foreach ((byte[] bytes, string said) in frames)
            {
                int before = node.Lines.Count;
                await SayAsync(node, peer, bytes);
                await SaysAsync(node, said, before);
            }
        }

        await pair.IsWholeAsync();
    }

    [Fact]
    public async Task Messages_of_an_old_term_or_of_an_earlier_life_are_refused_and_told()
    {
        LoopbackCluster cluster = pair.Cluster;
        pair.Begin();
        LoopbackNode a = cluster["node-a"];
        LoopbackNode b = cluster["node-b"];
        var vm = new VmId("web");
        // Two terms of one pair, whatever was before.
        LoopbackNode primary = await pair.PrimaryAsync();
        HttpResponseMessage exchanged = await primary.Http.PostAsync("/vms/web/switchover", null);
        Assert.True(exchanged.IsSuccessStatusCode, await exchanged.Content.ReadAsStringAsync());
        await a.WhenAsync("web", EventCode.SwitchoverDone);
        await b.WhenAsync("web", EventCode.SwitchoverDone);
        var now = new Term((long)await pair.TermAsync());
        var past = new Term(now.Value - 1);
        foreach (LoopbackNode node in new[] { a, b })
        {
            HostIdentity peer = cluster[Other(node)].Runtime.Self;
            var earlier = new HostIdentity(peer.Host, new Incarnation(peer.Incarnation.Value - 1));
            long before = node.Runtime.Events.LastId;
            PeerMessage[] old =
            [
                new LeaveNotice(peer, past, "replayed"),
                new LeaveNotice(earlier, now, "of an earlier life"),
                new LeaveNotice(peer, new Term(99), "of a term that nobody has won"),
                new CheckpointRequest(peer, past, new Epoch(1), CheckpointReason.Operator),
            ];
            foreach (PeerMessage message in old)
            {
                await SayAsync(node, peer.Host.Name, Frame(CoreMessage, PeerCodec.Encode(vm, message)));
            }

            for (int refused = 0; refused < old.Length; refused++)
            {
                before = (await node.WhenAsync("web", EventCode.StaleTermRefused, before)).Id;
            }
        }

        await pair.IsWholeAsync();
    }

    [Fact]
    public async Task A_witness_takes_no_proposal_of_an_old_term_or_in_another_hosts_name()
    {
        LoopbackCluster cluster = pair.Cluster;
        pair.Begin();
        LoopbackNode witness = cluster["witness"];
        HostIdentity b = cluster["node-b"].Runtime.Self;
        WireArbiterRequest Ask(ulong expected, string host) => new()
        {
            Request = 1, Vm = "web", HasProposal = true, Expected = expected, Claim = (int)ArbiterClaim.InSync,
            By = new WireIdentity { Host = host, Incarnation = (ulong)b.Incarnation.Value },
            Next = new WireRecord
            {
                Vm = "web", Term = expected + 1,
                Primary = new WireIdentity { Host = host, Incarnation = (ulong)b.Incarnation.Value },
            },
        };
        ulong term = await pair.TermAsync();
        await SayAsync(witness, "node-b", Frame(ArbiterRequest, Ask(term - 1, "node-b").ToByteArray()));
        await SaysAsync(witness, $"node-b asks for t{term} solo");
        await SayAsync(witness, "node-b", Frame(ArbiterRequest, Ask(term, "node-a").ToByteArray()));
        await SaysAsync(witness, "in somebody else's name");
        Assert.DoesNotContain(witness.Lines, line => line.Contains(" solo ", StringComparison.Ordinal)
            && line.Contains("node-b asks", StringComparison.Ordinal)
            && line.Contains("Granted", StringComparison.Ordinal));
        await pair.IsWholeAsync();
    }

    private static string Other(LoopbackNode node) => node.Name == "node-b" ? "node-a" : "node-b";

    private static byte[] Head(byte type, int length)
    {
        byte[] head = new byte[5];
        BinaryPrimitives.WriteInt32BigEndian(head, length);
        head[4] = type;
        return head;
    }

    private static byte[] Frame(byte type, byte[] payload) => [.. Head(type, payload.Length), .. payload];

    private static Task<DataLink> OpenAsync(LoopbackNode node, LinkOpen open) =>
        LinkConnector.ConnectAsync(node.Runtime.Options.Listen[0], open, null, CancellationToken.None);

    /// <summary>Says something on a control link of its own.</summary>
    private async Task SayAsync(LoopbackNode node, string peer, byte[] bytes)
    {
        channel = channel < LinkOpen.ChannelMax ? channel + 1 : FirstChannel;
        using DataLink link = await OpenAsync(node, new LinkOpen(LinkKind.Control, channel, string.Empty, 0, peer));
        await link.Stream.WriteAsync(bytes);
        await link.Stream.FlushAsync();
    }

    /// <summary>Sends bytes and the end of the stream to a port.</summary>
    /// <returns>What came back until the other side ended it.</returns>
    private static async Task<byte[]> SendAsync(IPEndPoint to, byte[] bytes)
    {
        using var late = new CancellationTokenSource(Hang);
        using var socket = new Socket(to.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        var answer = new MemoryStream();
        try
        {
            await socket.ConnectAsync(to, late.Token);
            using var stream = new NetworkStream(socket);
            await stream.WriteAsync(bytes, late.Token);
            socket.Shutdown(SocketShutdown.Send);
            await stream.CopyToAsync(answer, late.Token);
        }
        catch (Exception problem) when (problem is IOException or SocketException)
        {
            // Turned away while it was still talking.
        }

        return answer.ToArray();
    }

    private static Task SaysAsync(LoopbackNode node, string words, int after = 0) => Task.Run(() => Assert.True(
        SpinWait.SpinUntil(
            () => node.Lines.Skip(after).Any(line => line.Contains(words, StringComparison.Ordinal)), Hang),
        $"{node.Name} does not say '{words}':\n{string.Join('\n', node.Lines)}"));

    /// <summary>One pair for all: none of these tests may change it.</summary>
    public sealed class Pair : IAsyncLifetime
    {
        private readonly Dictionary<string, long> began = [];

        /// <summary>No silence on a busy machine is a loss here: what breaks this pair is what a test did to
        /// it.</summary>
        internal LoopbackCluster Cluster { get; } = new(
            ["node-a", "node-b"], LoopbackCluster.Vm("web", "node-a", "node-b"),
            "heartbeat { lost-after = 60s, pause-accepted = 50s }");

        public async Task InitializeAsync()
        {
            await Cluster.StartAsync();
            await Cluster["node-a"].WhenAsync("web", EventCode.PairEstablished);
            await Cluster["node-b"].WhenAsync("web", EventCode.PairEstablished);
        }

        public async Task DisposeAsync() => await Cluster.DisposeAsync();

        internal void Begin()
        {
            foreach (LoopbackNode node in Cluster.Nodes)
            {
                began[node.Name] = node.Runtime.Events.LastId;
            }
        }

        internal async Task<LoopbackNode> PrimaryAsync() => Cluster[(await TermAndOwnerAsync()).Owner];

        internal async Task<ulong> TermAsync() => (await TermAndOwnerAsync()).Term;

        /// <summary>Nothing has happened to the pair, and it makes a checkpoint.</summary>
        internal async Task IsWholeAsync()
        {
            LoopbackNode primary = await PrimaryAsync();
            LoopbackNode secondary = Cluster[Other(primary)];
            (long here, long there) = (primary.Runtime.Events.LastId, secondary.Runtime.Events.LastId);
            HttpResponseMessage answer = await primary.Http.PostAsync("/vms/web/checkpoint", null);
            Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
            await primary.WhenAsync("web", EventCode.CheckpointCommitted, here);
            await secondary.WhenAsync("web", EventCode.CheckpointLoaded, there);
            foreach (LoopbackNode node in Cluster.Nodes)
            {
                Assert.DoesNotContain(
                    node.Runtime.Events.After(began[node.Name]),
                    logged => logged.Vm == "web" && Broken.Contains((EventCode)logged.Code));
            }
        }

        private async Task<(ulong Term, string Owner)> TermAndOwnerAsync()
        {
            string owner = string.Empty;
            System.Text.Json.JsonElement vm = default;
            await Cluster["node-a"].WhenAsync("/vms/web", page =>
            {
                vm = page;
                owner = page.GetProperty("role").GetString() == "Primary" ? "node-a" : "node-b";
                return page.GetProperty("role").GetString() is "Primary" or "Secondary";
            });
            return (vm.GetProperty("term").GetUInt64(), owner);
        }
    }
}
