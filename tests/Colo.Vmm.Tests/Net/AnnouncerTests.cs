using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

public sealed class AnnouncerTests
{
    private static List<byte[]> Announce(Announcer announcer)
    {
        List<byte[]> frames = [];
        announcer.Announce(TestFrames.GuestMac, f => frames.Add(f.ToArray()));
        return frames;
    }

    [Fact]
    public void Announces_an_arp_address_as_request_and_as_reply()
    {
        var announcer = new Announcer();
        announcer.Learn(TestFrames.Arp(TestFrames.Guest, TestFrames.Client));
        announcer.Learn(TestFrames.Tcp(1, 1, TcpFlags.Ack, []));
        var frames = Announce(announcer);
        Assert.Equal(2, frames.Count);
        Assert.All(frames, f =>
        {
            var view = FrameView.Parse(f);
            Assert.Equal(FrameKind.Arp, view.Kind);
            Assert.Equal(60, f.Length);
            Assert.Equal([255, 255, 255, 255, 255, 255], f[..6]);
            Assert.Equal(TestFrames.GuestMac, f[6..12]);
            Assert.Equal<byte>([10, 0, 0, 1], f[28..32]);
            Assert.Equal<byte>([10, 0, 0, 1], f[38..42]);
        });
        Assert.Equal([1, 2], frames.Select(f => (int)f[21]));
    }

    [Fact]
    public void An_ipv4_source_is_announced_only_while_no_address_is_certain()
    {
        var announcer = new Announcer();
        announcer.Learn(TestFrames.Tcp(1, 1, TcpFlags.Ack, []));
        Assert.Equal(2, Announce(announcer).Count);
        announcer.Learn(TestFrames.Arp(0x0A000009, TestFrames.Client));
        Assert.All(Announce(announcer), f => Assert.Equal<byte>([10, 0, 0, 9], f[28..32]));
    }

    [Fact]
    public void Ipv6_addresses_are_advertised_with_a_right_checksum()
    {
        var announcer = new Announcer();
        var message = new byte[32];
        message[0] = 135;
        announcer.Learn(TestFrames.Ip(58, message, true, true, checksumAt: 2));
        var frame = Assert.Single(Announce(announcer));
        var view = FrameView.Parse(frame);
        Assert.Equal(FrameKind.IcmpV6, view.Kind);
        Assert.Equal(136, view.TransportBytes[0]);
        Assert.Equal(0x20, view.TransportBytes[4]);
        Assert.Equal(0, InternetChecksum.ComputeTransport(view.SourceAddress, view.DestinationAddress, 58, view.TransportBytes));
        Assert.Equal<byte>([0x33, 0x33, 0, 0, 0, 1], frame[..6]);
        Assert.Equal(TestFrames.GuestMac, view.TransportBytes[26..32].ToArray());
    }

    [Fact]
    public void A_silent_guest_is_announced_by_rarp()
    {
        var frame = Assert.Single(Announce(new Announcer()));
        Assert.Equal<byte>([0x80, 0x35], frame[12..14]);
        Assert.Equal(3, frame[21]);
        Assert.Equal(TestFrames.GuestMac, frame[22..28]);
    }

    [Fact]
    public void Tagged_addresses_are_announced_in_their_vlan()
    {
        var announcer = new Announcer();
        announcer.Learn(TestFrames.Tcp(1, 1, TcpFlags.Ack, [], vlan: 42));
        Assert.All(Announce(announcer), f => Assert.Equal(42u, FrameView.Parse(f).VlanKey));
    }

    [Fact]
    public void The_table_is_bounded()
    {
        var announcer = new Announcer();
        for (var i = 0u; i < 1000; i++)
        {
            announcer.Learn(TestFrames.Arp(0x0A000000 + i + 1, TestFrames.Client));
        }
        Assert.Equal(256, announcer.AddressCount);
    }
}
