using System.Buffers;
using System.Collections.Concurrent;
using Colo.Actors.Arbiter;
using Colo.Actors.Protocol;
using Colo.Actors.Tests.Network;
using Colo.Actors.Vm;
using Colo.Actors.Vm.Embedded;
using Colo.Vmm.Links;
using Colo.Vmm.Net;

namespace Colo.Actors.Tests.Vm;

/// <summary>
/// What a guest gets of the client's frames around an image: each frame once (S12), in the image or behind it, and
/// never both or neither.
/// </summary>
public sealed class GuestNetworkTests : IDisposable
{
    private static readonly TimeSpan HangBound = TimeSpan.FromSeconds(60);

    private readonly HostIdentity self = new(new HostId("a"), new Incarnation(1));
    private readonly LanPort lan = new("", "", [2, 0, 0, 0, 0, 1], _ => { });
    private readonly GuestNetwork network;
    private readonly BlockingCollection<byte> delivered = [];
    private readonly FramePipe mirror = new();
    private readonly object owner = new();

    public GuestNetworkTests()
    {
        network = new GuestNetwork(
            self, [lan], new ComparerOptions(), _ => { },
            TimeProvider.System);
        network.Ports[0].Received = frame => delivered.Add(frame[0]);
    }

    public void Dispose()
    {
        mirror.Dispose();
        network.Dispose();
        delivered.Dispose();
    }

    [Fact]
    public void A_frame_that_comes_after_the_load_of_an_image_taken_after_it_is_not_given_to_the_guest_again()
    {
        BeReplica(1);
        Mirror(1, 'a');
        Assert.Equal('a', Next());
        Load(2);
        Mirror(1, 'x');
        Mirror(2, 'b');
        Assert.Equal('b', Next());
        Assert.Equal(1, network.Ports[0].LateFrames);
    }

    [Fact]
    public void A_frame_of_an_image_that_was_given_up_is_in_the_next_image_and_not_given_to_the_guest_behind_it()
    {
        BeReplica(1);
        Mirror(2, 'x');
        Mirror(3, 'b');
        Mirror(1, 'a');
        Assert.Equal('a', Next());
        Load(3);
        Assert.Equal('b', Next());
        Assert.Empty(delivered);
    }

    [Fact]
    public void A_takeover_gives_the_guest_what_the_primary_had_received_for_an_image_that_never_came()
    {
        BeReplica(1);
        Mirror(2, 'b');
        Mirror(3, 'c');
        Mirror(1, 'a');
        Assert.Equal('a', Next());
        network.StopSecondary(owner);
        Assert.Equal('b', Next());
        Assert.Equal('c', Next());
    }

    /// <summary>Clients go on while a joiner is being filled, for minutes; of all that only what comes after the
    /// capture counts.</summary>
    [Fact]
    public void A_long_copy_does_not_use_up_the_room_for_what_comes_between_its_capture_and_its_load()
    {
        BeReplica(0);
        for (int frame = 0; frame < 20_000; frame++)
        {
            Mirror(5, 'x');
        }

        Mirror(6, 'b');
        Mirror(0, 'a');
        Assert.Equal('a', Next());
        Load(6);
        Assert.Equal('b', Next());
    }

    [Fact]
    public void A_frame_between_the_loading_of_the_card_and_that_of_the_network_waits_for_both()
    {
        BeReplica(1);
        Load(2, () =>
        {
            Mirror(1, 'x');
            Mirror(2, 'b');
        });
        Assert.Equal('b', Next());
        Assert.Equal(1, network.Ports[0].LateFrames);
    }

    [Fact]
    public void A_frame_that_arrives_while_the_state_is_taken_belongs_to_the_next_epoch()
    {
        var seen = new BlockingCollection<(ulong Tag, byte Frame)>();
        network.StartPrimary(owner, mirror.Near, Stream.Null, () => { });
        _ = new TaggedFrameReader(mirror.Reader, (_, tag, frame) => seen.Add((tag, frame[0])), _ => { });
        network.Tag(6);
        network.Expect(7);
        var arrival = new Thread(() => { lan.Received!([(byte)'f']); lan.Drained!(); }) { IsBackground = true };
        network.Capture(new ArrayBufferWriter<byte>(), _ =>
        {
            arrival.Start();
            Assert.True(SpinWait.SpinUntil(
                () => !arrival.IsAlive || (arrival.ThreadState & ThreadState.WaitSleepJoin) != 0, HangBound));
        });
        Assert.True(seen.TryTake(out (ulong Tag, byte Frame) only, HangBound));
        Assert.Equal((7ul, (byte)'f'), only);
        network.StopPrimary(owner)!.Dispose();
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 0)]
    public void What_a_former_primary_holds_leaves_at_a_takeover_only_if_no_image_has_replaced_its_guest(
        bool replaced, long left)
    {
        network.Tag(5);
        network.Ports[0].Send(new byte[60]);
        BeReplica(5);
        if (replaced)
        {
            Load(6);
        }

        network.StopSecondary(owner);
        network.OpenSolo(new ArbiterRecord(new VmId("vm"), new Term(2), self, null));
        Assert.Equal(left, network.AddTo(new VmGauges()).FramesSolo);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void The_peer_gets_a_burst_before_the_guest_is_woken_for_it(int frames)
    {
        var order = new ConcurrentQueue<string>();
        network.StartPrimary(owner, new NotedStream(() => order.Enqueue("peer")), Stream.Null, () => { }, () => true);
        network.Ports[0].Delivered = () => order.Enqueue("guest");
        for (int frame = 0; frame < frames; frame++)
        {
            lan.Received!([(byte)frame]);
        }

        Assert.Empty(order);
        lan.Drained!();
        Assert.Equal(["peer", "guest"], order);
        network.StopPrimary(owner)!.Dispose();
    }

    [Fact]
    public void A_burst_without_end_reaches_both_guests_all_the_same()
    {
        var order = new ConcurrentQueue<string>();
        network.StartPrimary(owner, new NotedStream(() => order.Enqueue("peer")), Stream.Null, () => { }, () => true);
        network.Ports[0].Delivered = () => order.Enqueue("guest");
        for (int frame = 0; frame < 40; frame++)
        {
            lan.Received!([(byte)frame]);
        }

        Assert.Equal(["peer", "guest", "peer", "guest"], order);
        network.StopPrimary(owner)!.Dispose();
    }

    [Fact]
    public void The_replicas_guest_is_woken_for_each_frame_and_for_what_a_takeover_brings()
    {
        var woken = new BlockingCollection<int>();
        network.Ports[0].Delivered = () => woken.Add(delivered.Count);
        BeReplica(1);
        Mirror(2, 'b');
        Mirror(1, 'a');
        Assert.True(woken.TryTake(out int frames, HangBound));
        Assert.Equal(1, frames);
        network.StopSecondary(owner);
        Assert.True(woken.TryTake(out frames, HangBound));
        Assert.Equal(2, frames);
    }

    /// <summary>A virtual address that has moved to another machine (VRRP) must not be called back by a
    /// takeover.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_address_that_another_machine_has_claimed_since_is_not_announced_as_the_guests(bool isReplica)
    {
        if (isReplica)
        {
            BeReplica(1);
        }

        network.Ports[0].Send(ArpOf(lan.Mac, 10, 0, 0, 5));
        network.Ports[0].Send(ArpOf(lan.Mac, 10, 0, 0, 100));
        HearFromLan(isReplica, ArpOf(lan.Mac, 10, 0, 0, 5));
        HearFromLan(isReplica, ArpOf([2, 0, 0, 0, 0, 9], 10, 0, 0, 100));
        HearFromLan(isReplica, [(byte)'x']);
        while (Next() != 'x')
        {
        }

        Assert.Equal([5, 5], Announced());
        network.Ports[0].Send(ArpOf(lan.Mac, 10, 0, 0, 100));
        Assert.Equal([5, 5, 100, 100], Announced());
    }

    /// <summary>A host that has given its guest up hears no more of the LAN, and may get it back days later.</summary>
    [Fact]
    public void Addresses_of_a_former_guest_are_not_announced_for_the_next_one()
    {
        network.Ports[0].Send(ArpOf(lan.Mac, 10, 0, 0, 100));
        network.Forget();
        network.Ports[0].Send(ArpOf(lan.Mac, 10, 0, 0, 5));
        Assert.Equal([5, 5], Announced());
    }

    private static byte[] ArpOf(byte[] mac, params byte[] address) =>
    [
        255, 255, 255, 255, 255, 255, .. mac, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, .. mac, .. address, 0, 0, 0, 0, 0, 0,
        .. address, .. new byte[18],
    ];

    private byte[] Announced() => [.. lan.Announcements.Where(f => f[12] == 8).Select(frame => frame[31])];

    private void HearFromLan(bool isReplica, byte[] frame)
    {
        if (isReplica)
        {
            Assert.True(mirror.Writer.TryWrite(0, 1, frame));
            mirror.Writer.Flush();
        }
        else
        {
            lan.Received!(frame);
        }
    }

    private void BeReplica(long epoch)
    {
        network.Tag(epoch);
        network.StartSecondary(owner, mirror.Reader, Stream.Null, () => { });
    }

    private void Mirror(ulong epoch, char frame)
    {
        Assert.True(mirror.Writer.TryWrite(0, epoch, [(byte)frame]));
        mirror.Writer.Flush();
    }

    private void Load(long image, Action? meanwhile = null)
    {
        var cards = new ArrayBufferWriter<byte>();
        network.SaveState(cards);
        network.Expect(image);
        Assert.Null(network.Load([], cards.WrittenSpan, _ =>
        {
            meanwhile?.Invoke();
            return null;
        }));
    }

    private char Next()
    {
        Assert.True(delivered.TryTake(out byte frame, HangBound), "no frame reached the guest");
        return (char)frame;
    }

    /// <summary>Takes everything and tells of each write.</summary>
    private sealed class NotedStream(Action written) : MemoryStream
    {
        public override void Write(byte[] buffer, int offset, int count) => written();
    }
}
