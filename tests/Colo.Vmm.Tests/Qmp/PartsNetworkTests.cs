using System.Buffers.Binary;
using System.Net.Sockets;
using Colo.Vmm.Net;
using Colo.Vmm.Qmp.Replication;
using Colo.Vmm.Tests.Net;

namespace Colo.Vmm.Tests.Qmp;

/// <summary>Character devices, filters and colo-compare as the monitor makes them, without a machine.</summary>
public sealed class PartsNetworkTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-parts").FullName;
    private readonly PartsRig _rig;

    public PartsNetworkTests() => _rig = new PartsRig(_folder);

    public void Dispose()
    {
        _rig.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Guest_that_runs_alone_is_not_held_back_by_its_comparer()
    {
        _rig.WirePrimary();
        _rig.Card.Send(Answer(1));
        Assert.Equal(Answer(1), _rig.Network.Wait(0));
        _rig.FromNetwork(Answer(2));
        Assert.Equal(Answer(2), _rig.Guest.Wait(0));
    }

    [Fact]
    public void In_a_pair_an_answer_leaves_when_the_other_replica_gives_it_or_a_checkpoint_covers_it()
    {
        _rig.WirePrimary();
        using var wanted = new ManualResetEventSlim();
        _rig.Hooks.CheckpointWanted += wanted.Set;
        using var mirror = new FrameStreamEndpoint(_rig.Connect("mirror0"));
        var mirrored = new PartsRig.Frames();
        mirror.Start((frame, _) => Kept(mirrored, frame));
        using var secondary = new FrameStreamEndpoint(_rig.Connect("compare1"));
        _rig.WaitForChardev("mirror0");
        _rig.WaitForChardev("compare1");
        Assert.Null(_rig.Hooks.Begin(ReplicationRole.Primary));
        Commit();

        secondary.TrySend(Answer(1));
        _rig.Card.Send(Answer(1));
        Assert.Equal(Answer(1), _rig.Network.Wait(0));

        _rig.Card.Send(Answer(2));
        secondary.TrySend(Answer(3));
        Assert.True(wanted.Wait(PartsRig.Hang), "two answers that differ ask for no checkpoint");
        Assert.Equal(1, _rig.Network.Count);
        Commit();
        Assert.Equal(Answer(2), _rig.Network.Wait(1));

        // What the secondary says while both stand belongs to what was replaced.
        _rig.FromNetwork(Answer(9));
        Assert.Equal(Answer(9), mirrored.Wait(0));
        Assert.Equal(Answer(9), _rig.Guest.Wait(0));
        _rig.Card.Send(Answer(4));
        Assert.Null(_rig.Hooks.End(ReplicationRole.Primary));
        Assert.Equal(Answer(4), _rig.Network.Wait(2));
    }

    [Fact]
    public void Deleting_the_comparer_lets_what_waits_go_and_the_next_one_takes_its_sockets()
    {
        _rig.WirePrimary();
        Assert.Null(_rig.Hooks.Begin(ReplicationRole.Primary));
        Commit();
        _rig.Card.Send(Answer(1));
        WaitForComparer(1);
        Assert.Equal(0, _rig.Network.Count);
        Assert.Contains("in use", _rig.Refuse("""
            {"execute": "object-del", "arguments": {"id": "iothread1"}}
            """).Description);
        _rig.Say("""{"execute": "object-del", "arguments": {"id": "comp0"}}""");
        Assert.Equal(Answer(1), _rig.Network.Wait(0));
        _rig.Say("""{"execute": "object-del", "arguments": {"id": "iothread1"}}""");
        // Nobody compares any more: the redirector's frames wait on their socket for the next comparer.
        _rig.Card.Send(Answer(2));
        _rig.Say("""{"execute": "object-add", "arguments": {"qom-type": "iothread", "id": "iothread1"}}""");
        _rig.Say("""
            {"execute": "object-add", "arguments": {"qom-type": "colo-compare", "id": "comp0",
            "primary_in": "compare0-0", "secondary_in": "compare1", "outdev": "compare_out0",
            "iothread": "iothread1"}}
            """);
        Assert.Null(_rig.Hooks.End(ReplicationRole.Primary));
        Assert.Equal(Answer(2), _rig.Network.Wait(1));
    }

    [Fact]
    public void Machine_that_ends_lets_nothing_go_that_waits()
    {
        _rig.WirePrimary();
        Assert.Null(_rig.Hooks.Begin(ReplicationRole.Primary));
        Commit();
        _rig.Card.Send(Answer(1));
        WaitForComparer(1);
        _rig.Parts.Dispose();
        Assert.Equal(0, _rig.Network.Count);
    }

    [Fact]
    public void Secondary_hears_its_primary_alone_and_answers_to_nobody_else()
    {
        _rig.WireSecondary();
        using var mirror = new FrameStreamEndpoint(_rig.Connect("red0"));
        Assert.Null(_rig.Hooks.Begin(ReplicationRole.Secondary));
        // The link to the comparer is not there yet: QEMU would let this answer out.
        _rig.Card.Send(Answer(1));
        _rig.FromNetwork(Answer(2));
        mirror.TrySend(Answer(3));
        Assert.Equal(Answer(3), _rig.Guest.Wait(0));
        var compared = new PartsRig.Frames();
        using var compare = new FrameStreamEndpoint(_rig.Connect("red1"));
        compare.Start((frame, _) => Kept(compared, frame));
        _rig.WaitForChardev("red1");
        _rig.Card.Send(Answer(4));
        Assert.Equal(Answer(4), compared.Wait(0));
        Assert.Equal(0, _rig.Network.Count);

        // While a checkpoint is loaded the guest gets nothing, and nothing is lost.
        _rig.Hooks.All(part => part.Paused());
        mirror.TrySend(Answer(5));
        _rig.Hooks.All(part => part.Resuming());
        Assert.Equal(Answer(5), _rig.Guest.Wait(1));
        Assert.Equal(2, _rig.Guest.Count);
    }

    [Fact]
    public void After_a_takeover_the_guest_has_its_own_network_and_is_announced_there()
    {
        _rig.WireSecondary();
        Assert.Null(_rig.Hooks.Begin(ReplicationRole.Secondary));
        _rig.Card.Send(TestFrames.Arp(TestFrames.Guest, TestFrames.Client));
        Assert.Null(_rig.Hooks.End(ReplicationRole.Secondary));
        int announced = _rig.Network.Count;
        Assert.True(announced > 0);
        _rig.Card.Send(Answer(1));
        Assert.Equal(Answer(1), _rig.Network.Wait(announced));
        _rig.FromNetwork(Answer(2));
        Assert.Equal(Answer(2), _rig.Guest.Wait(0));
        Assert.Equal("off", (string)_rig.Say("""
            {"execute": "qom-get", "arguments": {"path": "/objects/f1", "property": "status"}}
            """)!);
        Assert.Equal("on", (string)_rig.Say("""
            {"execute": "qom-get", "arguments": {"path": "/objects/rew0", "property": "status"}}
            """)!);
    }

    [Fact]
    public void Offsets_of_a_promoted_secondary_go_with_its_checkpoints()
    {
        _rig.WireSecondary();
        Assert.Null(_rig.Hooks.Begin(ReplicationRole.Secondary));
        // The client opens; the secondary's guest answers with 5000, the primary's did with 1000.
        using var mirror = new FrameStreamEndpoint(_rig.Connect("red0"));
        mirror.TrySend(TestFrames.Tcp(100, 0, TcpFlags.Syn, [], 4000, 80, fromGuest: false));
        _rig.Guest.Wait(0);
        _rig.Card.Send(TestFrames.Tcp(5000, 101, TcpFlags.Syn | TcpFlags.Ack, []));
        mirror.TrySend(TestFrames.Tcp(101, 1001, TcpFlags.Ack, [], 4000, 80, fromGuest: false));
        Assert.Equal(5001u, BinaryPrimitives.ReadUInt32BigEndian(_rig.Guest.Wait(1).AsSpan(14 + 20 + 8)));
        Assert.Null(_rig.Hooks.End(ReplicationRole.Secondary));
        var state = new System.Buffers.ArrayBufferWriter<byte>();
        PartsState.Save(_rig.Hooks, _ => { }, state);

        string other = Directory.CreateDirectory(Path.Combine(_folder, "other")).FullName;
        using var next = new PartsRig(other);
        next.WireSecondary();
        Assert.Null(next.Hooks.Begin(ReplicationRole.Secondary));
        ReadOnlySpan<byte> saved = state.WrittenSpan;
        Assert.Null(PartsState.TryReadMachine(ref saved, out _));
        Assert.Null(PartsState.Restore(next.Hooks, saved));
        Assert.Null(next.Hooks.Each(part => part.Loaded(1)));
        using var second = new FrameStreamEndpoint(next.Connect("red0"));
        second.TrySend(TestFrames.Tcp(101, 1001, TcpFlags.Ack, [], 4000, 80, fromGuest: false));
        Assert.Equal(5001u, BinaryPrimitives.ReadUInt32BigEndian(next.Guest.Wait(0).AsSpan(14 + 20 + 8)));
        for (int length = 0; length < state.WrittenCount; length++)
        {
            ReadOnlySpan<byte> cut = state.WrittenSpan[..length];
            if (PartsState.TryReadMachine(ref cut, out _) is null && !cut.IsEmpty)
            {
                Assert.NotNull(PartsState.Restore(next.Hooks, cut));
            }
        }
    }

    [Fact]
    public void Filters_stand_where_they_were_put()
    {
        foreach (string name in (string[])["a", "b", "c", "d"])
        {
            _rig.Parts.AddChardev($"socket,id={name},path={_folder}/{name},server=on,wait=off");
        }

        // b before a, c at the head, d behind b: c b d a. Each takes what comes from the network.
        _rig.Parts.AddObject("filter-redirector,id=fa,netdev=hn0,queue=tx,outdev=a");
        _rig.Parts.AddObject("filter-redirector,id=fb,netdev=hn0,queue=tx,outdev=b,position=id=fa,insert=before");
        _rig.Parts.AddObject("filter-redirector,id=fc,netdev=hn0,queue=tx,outdev=c,position=head");
        _rig.Parts.AddObject("filter-redirector,id=fd,netdev=hn0,queue=tx,outdev=d,position=id=fb,insert=behind");
        byte number = 1;
        foreach (string expected in (string[])["c", "b", "d", "a"])
        {
            var got = new PartsRig.Frames();
            using var end = new FrameStreamEndpoint(_rig.Connect(expected));
            end.Start((frame, _) => Kept(got, frame));
            _rig.WaitForChardev(expected);
            _rig.FromNetwork(Answer(number));
            Assert.Equal(Answer(number++), got.Wait(0));
            _rig.Say($$$"""
                {"execute": "qom-set", "arguments": {"path": "/objects/f{{{expected}}}", "property": "status",
                "value": "off"}}
                """);
        }

        _rig.FromNetwork(Answer(number));
        Assert.Equal(Answer(number), _rig.Guest.Wait(0));
    }

    [Fact]
    public void Buffer_filter_holds_frames_for_its_interval_or_until_it_goes()
    {
        _rig.Say("""
            {"execute": "object-add", "arguments": {"qom-type": "filter-buffer", "id": "b0", "netdev": "hn0",
            "queue": "rx", "interval": 3600000000}}
            """);
        _rig.Card.Send(Answer(1));
        _rig.Card.Send(Answer(2));
        Assert.Equal(0, _rig.Network.Count);
        _rig.Say("""
            {"execute": "qom-set", "arguments": {"path": "/objects/b0", "property": "interval", "value": 1000}}
            """);
        Assert.Equal(Answer(1), _rig.Network.Wait(0));
        Assert.Equal(Answer(2), _rig.Network.Wait(1));
        _rig.Say("""
            {"execute": "qom-set", "arguments": {"path": "/objects/b0", "property": "interval",
            "value": 3600000000}}
            """);
        _rig.Card.Send(Answer(3));
        _rig.Say("""{"execute": "object-del", "arguments": {"id": "b0"}}""");
        Assert.Equal(Answer(3), _rig.Network.Wait(2));
    }

    /// <summary>The timer counts milliseconds, and a period of none of them is once to it.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Buffer_filter_with_an_interval_below_a_millisecond_releases_again_and_again(bool isSetLater)
    {
        _rig.Say($$$"""
            {"execute": "object-add", "arguments": {"qom-type": "filter-buffer", "id": "b0", "netdev": "hn0",
            "queue": "rx", "interval": {{{(isSetLater ? 3600000000 : 1)}}}}}
            """);
        if (isSetLater)
        {
            _rig.Say("""
                {"execute": "qom-set", "arguments": {"path": "/objects/b0", "property": "interval", "value": 999}}
                """);
        }

        for (byte i = 0; i < 3; i++)
        {
            _rig.Card.Send(Answer(i));
            Assert.Equal(Answer(i), _rig.Network.Wait(i));
        }
    }

    [Fact]
    public void Client_that_reconnects_finds_a_server_that_comes_later_and_comes_again()
    {
        _rig.Parts.AddChardev($"socket,id=red0,path={_folder}/late,reconnect-ms=20");
        _rig.Parts.AddObject("filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0");
        for (int i = 0; i < 2; i++)
        {
            using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(Path.Combine(_folder, "late")));
            listener.Listen(1);
            using var end = new FrameStreamEndpoint(listener.Accept());
            end.TrySend(Answer((byte)(i + 1)));
            Assert.Equal(Answer((byte)(i + 1)), _rig.Guest.Wait(i));
            File.Delete(Path.Combine(_folder, "late"));
        }
    }

    [Fact]
    public void Yank_ends_the_connection_of_a_chardev()
    {
        _rig.WireSecondary();
        using Socket peer = _rig.Connect("red0");
        _rig.WaitForChardev("red0");
        (_, Action yank) = _rig.Parts.Yankables().Single(y => (string?)y.Instance["id"] == "red0");
        yank();
        peer.ReceiveTimeout = (int)PartsRig.Hang.TotalMilliseconds;
        Assert.Equal(0, peer.Receive(new byte[1]));
    }

    private static bool Kept(PartsRig.Frames into, ReadOnlySpan<byte> frame)
    {
        into.Add(frame);
        return true;
    }

    /// <summary>A datagram of the guest whose content is a number.</summary>
    private static byte[] Answer(byte number) => TestFrames.Udp([number, 2, 3, 4]);

    private void Commit()
    {
        _rig.Hooks.All(part => part.Committed());
        _rig.Hooks.All(part => part.Resuming());
    }

    private void WaitForComparer(long frames) => Assert.True(
        SpinWait.SpinUntil(
            () => (long)_rig.Say("""
                {"execute": "qom-get", "arguments": {"path": "/objects/comp0", "property": "x-primary-frames"}}
                """)! >= frames,
            PartsRig.Hang),
        "the comparer did not get the frame");
}
