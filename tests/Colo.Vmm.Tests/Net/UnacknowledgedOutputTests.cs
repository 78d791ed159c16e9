using System.Buffers.Binary;
using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

public sealed class UnacknowledgedOutputTests
{
    private const TcpFlags Ack = TcpFlags.Ack;
    private static readonly TimeSpan Now = TimeSpan.FromSeconds(5);
    private readonly UnacknowledgedOutput output = new();
    private readonly List<byte[]> sent = [];

    [Fact]
    public void What_the_client_has_not_acknowledged_is_sent_again_in_order_and_then_a_probe()
    {
        Guest(1000, 50, "first");
        Guest(1005, 50, "second");
        Client(50, 1005);
        Guest(1011, 50, "third");
        Resend();
        Assert.Equal(["second", "third", ""], sent.Select(Payload));
        Assert.Equal(1004u, FrameView.Parse(sent[^1]).Sequence.Value);
        Assert.Equal(Ack, FrameView.Parse(sent[^1]).TcpFlags);
        Assert.All(sent, frame => Assert.True(TestFrames.HasRightTcpChecksum(frame)));
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 0)]
    [InlineData(false, 5)]
    [InlineData(true, 5)]
    public void A_probe_is_a_whole_segment_without_payload(bool ipv6, int vlan)
    {
        byte[] sack = [1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2];
        var last = TestFrames.Tcp(
            1000, 77, Ack | TcpFlags.Psh | TcpFlags.Fin, "all that there is"u8, options: sack, ipv6: ipv6, vlan: vlan,
            padTo: 120);
        output.FromGuest(last, Now);
        output.FromClient(TestFrames.Tcp(77, 1018, Ack, [], 4000, 80, fromGuest: false, ipv6: ipv6, vlan: vlan), Now);
        Resend();
        var probe = FrameView.Parse(Assert.Single(sent));
        Assert.Equal((FrameKind.Tcp, 0), (probe.Kind, probe.PayloadLength));
        Assert.Equal((1017u, 77u), (probe.Sequence.Value, probe.Acknowledgement.Value));
        Assert.Equal(sent[0].Length, probe.End);
        Assert.DoesNotContain(probe.TcpOptions.ToArray(), option => option == 5);
        Assert.True(TestFrames.HasRightTcpChecksum(sent[0]));
        if (!ipv6)
        {
            var header = sent[0].AsSpan(probe.NetworkOffset, 20);
            Assert.Equal(0xFFFF, (int)InternetChecksum.Add(0, header));
        }
    }

    [Fact]
    public void A_timestamp_is_never_older_than_what_the_client_has_seen()
    {
        Guest(1000, 50, "late", Timestamps(900, 1));
        Client(50, 1000, Timestamps(2, 950));
        Resend();
        Assert.Equal(2, sent.Count);
        Assert.All(sent, frame =>
        {
            Assert.Equal(950u, BinaryPrimitives.ReadUInt32BigEndian(FrameView.Parse(frame).TcpOptions[4..]));
            Assert.True(TestFrames.HasRightTcpChecksum(frame));
        });
    }

    [Fact]
    public void A_loaded_image_voids_what_the_guest_had_sent()
    {
        Guest(1000, 50, "before");
        Client(50, 1000);
        output.Forget();
        Resend();
        Assert.Empty(sent);
        Assert.Equal((0, 0), (output.FlowCount, output.FrameCount));
    }

    [Fact]
    public void At_most_an_initial_window_is_sent_and_a_repetition_is_kept_once()
    {
        for (uint i = 0; i < 40; i++)
        {
            Guest(1000 + (i * 4), 50, "data");
            Guest(1000, 50, "data");
        }

        Assert.Equal(40, output.FrameCount);
        Resend();
        Assert.Equal(10, sent.Count);
        Assert.Equal(1036u, FrameView.Parse(sent[^1]).Sequence.Value);
    }

    [Fact]
    public void Numbers_may_wrap()
    {
        Guest(0xFFFF_FFFE, 50, "wrap");
        Guest(2, 50, "ped");
        Client(50, 2);
        Resend();
        Assert.Equal(["ped", ""], sent.Select(Payload));
        Assert.Equal(1u, FrameView.Parse(sent[^1]).Sequence.Value);
    }

    [Theory]
    [InlineData(TcpFlags.Rst, true)]
    [InlineData(TcpFlags.Rst | TcpFlags.Ack, false)]
    [InlineData(TcpFlags.Syn, false)]
    public void A_connection_that_ends_or_begins_anew_is_forgotten(TcpFlags flags, bool fromGuest)
    {
        Guest(1000, 50, "old");
        Client(50, 1000);
        if (fromGuest)
        {
            output.FromGuest(TestFrames.Tcp(1003, 50, flags, []), Now);
        }
        else
        {
            output.FromClient(TestFrames.Tcp(50, 1000, flags, [], 4000, 80, fromGuest: false), Now);
        }

        Resend();
        Assert.Empty(sent);
        Assert.Equal(0, output.FrameCount);
    }

    [Fact]
    public void A_connection_closed_on_both_sides_is_forgotten()
    {
        Guest(1000, 50, "bye", flags: Ack | TcpFlags.Fin);
        output.FromClient(TestFrames.Tcp(50, 1004, Ack | TcpFlags.Fin, [], 4000, 80, fromGuest: false), Now);
        Assert.Equal(0, output.FlowCount);
    }

    [Fact]
    public void A_connection_that_is_quiet_for_long_is_left_alone()
    {
        Guest(1000, 50, "old");
        Client(50, 1000);
        Assert.Equal(0, output.Resend(Now + TimeSpan.FromMinutes(2), frame => sent.Add(frame.ToArray())));
    }

    [Fact]
    public void Connections_and_frames_are_bounded_and_the_oldest_goes_first()
    {
        for (var port = 1; port <= 3000; port++)
        {
            output.FromGuest(TestFrames.Tcp(1000, 50, Ack, "x"u8, destinationPort: port), Now);
        }

        for (uint i = 0; i < 300; i++)
        {
            output.FromGuest(TestFrames.Tcp(2000 + i, 50, Ack, "y"u8, destinationPort: 3000), Now);
        }

        Assert.Equal(1024, output.FlowCount);
        Assert.Equal(1023 + 256, output.FrameCount);
        Resend();
        Assert.DoesNotContain(sent, frame => FrameView.Parse(frame).DestinationPort <= 3000 - 1024);
    }

    private static byte[] Timestamps(uint value, uint echo)
    {
        byte[] option = [1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0];
        BinaryPrimitives.WriteUInt32BigEndian(option.AsSpan(4), value);
        BinaryPrimitives.WriteUInt32BigEndian(option.AsSpan(8), echo);
        return option;
    }

    private static string Payload(byte[] frame)
    {
        var view = FrameView.Parse(frame);
        return System.Text.Encoding.ASCII.GetString(frame, view.PayloadOffset, view.PayloadLength);
    }

    private void Guest(uint seq, uint ack, string payload, byte[]? options = null, TcpFlags flags = Ack) =>
        output.FromGuest(
            TestFrames.Tcp(seq, ack, flags, System.Text.Encoding.ASCII.GetBytes(payload), options: options), Now);

    private void Client(uint seq, uint ack, byte[]? options = null) =>
        output.FromClient(TestFrames.Tcp(seq, ack, Ack, [], 4000, 80, fromGuest: false, options: options), Now);

    private void Resend() => output.Resend(Now, frame => sent.Add(frame.ToArray()));
}
