using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

public sealed class FrameViewTests
{
    private static readonly byte[] Payload = [1, 2, 3, 4, 5];

    [Theory]
    [InlineData(false, 0, 0, 0)]
    [InlineData(false, 0, 12, 0)]
    [InlineData(true, 0, 0, 0)]
    [InlineData(true, 0, 0, 3)]
    [InlineData(false, 100, 0, 0)]
    [InlineData(true, 5, 0, 1)]
    public void Finds_tcp_payload_behind_tags_options_and_extension_headers(bool ipv6, int vlan, int ipOptions, int extensions)
    {
        var frame = TestFrames.Tcp(
            0xFFFF_FFF0, 77, TcpFlags.Ack | TcpFlags.Psh, Payload, ipv6: ipv6, vlan: vlan, ipOptions: ipOptions, extensions: extensions,
            options: [1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0]);
        var view = FrameView.Parse(frame);
        Assert.Equal(FrameKind.Tcp, view.Kind);
        Assert.Equal(0xFFFF_FFF0u, view.Sequence.Value);
        Assert.Equal(77u, view.Acknowledgement.Value);
        Assert.Equal(TcpFlags.Ack | TcpFlags.Psh, view.TcpFlags);
        Assert.Equal(Payload, frame[view.PayloadOffset..view.End]);
        Assert.Equal((uint)vlan, view.VlanKey);
        Assert.True(TestFrames.HasRightTcpChecksum(frame));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Does_not_take_padding_for_payload(bool ipv6)
    {
        var view = FrameView.Parse(TestFrames.Tcp(1, 2, TcpFlags.Ack, [], ipv6: ipv6, padTo: 90));
        Assert.Equal(FrameKind.Tcp, view.Kind);
        Assert.Equal(0, view.PayloadLength);
    }

    [Fact]
    public void Refuses_lengths_beyond_the_frame()
    {
        var whole = TestFrames.Tcp(1, 2, TcpFlags.Ack, Payload);
        for (var length = 0; length < whole.Length; length++)
        {
            var kind = FrameView.Parse(whole.AsSpan(0, length)).Kind;
            Assert.True(kind == FrameKind.Malformed, $"cut at {length}: {kind}");
        }
    }

    [Fact]
    public void Recognises_first_and_later_fragments()
    {
        var fragments = TestFrames.Fragment(TestFrames.Udp(new byte[100]), 48, 5);
        var first = FrameView.Parse(fragments[0]);
        Assert.Equal((FrameKind.Udp, true, 0, true), (first.Kind, first.IsFragment, first.FragmentOffset, first.MoreFragments));
        var last = FrameView.Parse(fragments[2]);
        Assert.Equal((FrameKind.OtherIp, true, 96, false), (last.Kind, last.IsFragment, last.FragmentOffset, last.MoreFragments));
        Assert.Equal(ConnectionKey.OfFragment(first), ConnectionKey.OfFragment(last));
    }

    [Fact]
    public void Names_other_frames()
    {
        Assert.Equal(FrameKind.Arp, FrameView.Parse(TestFrames.Arp(1, 2)).Kind);
        Assert.Equal(FrameKind.Other, FrameView.Parse(TestFrames.Unknown(1)).Kind);
        Assert.Equal(FrameKind.Icmp, FrameView.Parse(TestFrames.Icmp(8, 1, Payload)).Kind);
        Assert.Equal(FrameKind.OtherIp, FrameView.Parse(TestFrames.Ip(132, new byte[20], true, false)).Kind);
    }

    [Fact]
    public void Key_of_the_answer_is_the_reversed_key()
    {
        var request = FrameView.Parse(TestFrames.Tcp(1, 2, TcpFlags.Ack, [], 4000, 80, fromGuest: false));
        var answer = FrameView.Parse(TestFrames.Tcp(1, 2, TcpFlags.Ack, [], 80, 4000));
        Assert.Equal(ConnectionKey.Of(answer), ConnectionKey.Of(request).Reversed());
        Assert.NotEqual(ConnectionKey.Of(answer), ConnectionKey.Of(request));
    }

    [Theory]
    [InlineData(0u, 0xFFFF_FFFFu)]
    [InlineData(5u, 0xFFFF_FFF0u)]
    [InlineData(0x8000_0000u, 0x7FFF_FFFFu)]
    public void Sequence_numbers_compare_across_the_wrap(uint later, uint earlier)
    {
        Assert.True(new SequenceNumber(later) > new SequenceNumber(earlier));
        Assert.True(new SequenceNumber(earlier) < new SequenceNumber(later));
        Assert.Equal(new SequenceNumber(later), SequenceNumber.Max(new SequenceNumber(earlier), new SequenceNumber(later)));
    }
}
