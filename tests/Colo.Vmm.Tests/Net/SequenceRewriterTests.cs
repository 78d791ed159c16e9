using System.Buffers;
using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

public sealed class SequenceRewriterTests
{
    private const TcpFlags Ack = TcpFlags.Ack;
    private const TcpFlags Syn = TcpFlags.Syn;
    private TimeSpan now = TimeSpan.FromSeconds(5);

    public static TheoryData<bool, uint, uint> Spaces() => new()
    {
        { false, 1000, 5000 }, { true, 1000, 5000 }, { false, 0xFFFF_FFF0, 16 }, { true, 3, 0xFFFF_FFFE },
    };

    [Theory]
    [MemberData(nameof(Spaces))]
    public void A_connection_of_the_client_is_translated_both_ways(bool ipv6, uint primarySyn, uint guestSyn)
    {
        var rewriter = new SequenceRewriter();
        Handshake(rewriter, primarySyn, guestSyn, ipv6);
        var data = TestFrames.Tcp(unchecked(guestSyn + 1), 101, Ack, [1, 2, 3], ipv6: ipv6);
        Assert.Equal(RewriteResult.Rewritten, rewriter.FromGuest(data, now));
        Assert.Equal(unchecked(primarySyn + 1), FrameView.Parse(data).Sequence.Value);
        Assert.True(TestFrames.HasRightTcpChecksum(data));
        var ack = TestFrames.Tcp(101, unchecked(primarySyn + 4), Ack, [], 4000, 80, fromGuest: false, ipv6: ipv6);
        rewriter.ToGuest(ack, now);
        Assert.Equal(unchecked(guestSyn + 4), FrameView.Parse(ack).Acknowledgement.Value);
        Assert.True(TestFrames.HasRightTcpChecksum(ack));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Sack_blocks_are_translated_at_even_and_odd_offsets(int fillers)
    {
        var rewriter = new SequenceRewriter();
        Handshake(rewriter, 1000, 0x12345678);
        byte[] options = [.. Enumerable.Repeat((byte)1, fillers), 5, 10, 0, 0, 0x07, 0xD0, 0, 0, 0x0B, 0xB8];
        var frame = TestFrames.Tcp(101, 1001, Ack, [], 4000, 80, fromGuest: false, options: options);
        rewriter.ToGuest(frame, now);
        Assert.True(TestFrames.HasRightTcpChecksum(frame));
        var at = 0;
        var view = FrameView.Parse(frame);
        Assert.True(TcpOptions.TryNext(view.TcpOptions, ref at, out _, out var body));
        Assert.Equal(0x12345678u + 2000 - 1000, System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(body));
        Assert.Equal(0x12345678u + 3000 - 1000, System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(body[4..]));
    }

    [Fact]
    public void A_connection_of_the_guest_learns_from_the_servers_answer()
    {
        var rewriter = new SequenceRewriter();
        rewriter.FromGuest(TestFrames.Tcp(7000, 0, Syn, []), now);
        var answer = TestFrames.Tcp(100, 2001, Syn | Ack, [], 4000, 80, fromGuest: false);
        rewriter.ToGuest(answer, now);
        Assert.Equal(7001u, FrameView.Parse(answer).Acknowledgement.Value);
        Assert.Equal(2001u, Out(rewriter, 7001, Ack));
    }

    [Fact]
    public void A_refused_connection_of_the_guest_reaches_it_as_refused()
    {
        var rewriter = new SequenceRewriter();
        rewriter.FromGuest(TestFrames.Tcp(7000, 0, Syn, []), now);
        var refusal = TestFrames.Tcp(0, 2001, TcpFlags.Rst | Ack, [], 4000, 80, fromGuest: false);
        rewriter.ToGuest(refusal, now);
        Assert.Equal(7001u, FrameView.Parse(refusal).Acknowledgement.Value);
    }

    [Fact]
    public void A_late_segment_does_not_teach_a_wrong_offset()
    {
        var rewriter = new SequenceRewriter();
        rewriter.FromGuest(TestFrames.Tcp(7000, 0, Syn, []), now);
        In(rewriter, 55, 99999, Ack);
        In(rewriter, 100, 2001, Syn | Ack);
        Assert.Equal(2001u, Out(rewriter, 7001, Ack));
        var other = new SequenceRewriter();
        In(other, 100, 0, Syn);
        Out(other, 7000, Syn | Ack, ack: 101);
        Assert.Equal(424242u, In(other, 0x4000_0000, 424242, Ack));
        In(other, 101, 2001, Ack);
        Assert.Equal(2001u, Out(other, 7001, Ack));
    }

    [Fact]
    public void A_simultaneous_open_is_translated()
    {
        var rewriter = new SequenceRewriter();
        Out(rewriter, 7000, Syn);
        In(rewriter, 100, 0, Syn);
        Assert.Equal(7000u, Out(rewriter, 7000, Syn | Ack, ack: 101));
        Assert.Equal(7001u, In(rewriter, 100, 2001, Syn | Ack));
        Assert.Equal(2001u, Out(rewriter, 7001, Ack));
    }

    [Fact]
    public void Repeated_syns_change_nothing_and_a_repeated_answer_has_the_clients_number()
    {
        SequenceRewriter rewriter = Answered();
        In(rewriter, 100, 0, Syn);
        Assert.Equal(7000u, Out(rewriter, 7000, Syn | Ack, ack: 101));
        Assert.Equal(7001u, In(rewriter, 101, 2001, Ack));
        Assert.Equal(2000u, Out(rewriter, 7000, Syn | Ack, ack: 101));
        Assert.Equal(2001u, Out(rewriter, 7001, Ack));
    }

    [Fact]
    public void A_client_that_is_faster_than_the_secondary_is_withheld_until_it_has_answered()
    {
        var rewriter = new SequenceRewriter();
        In(rewriter, 100, 0, Syn);
        Assert.Equal(RewriteResult.Withhold, rewriter.ToGuest(ToGuest(101, 2001, Ack), now));
        Out(rewriter, 7000, Syn | Ack, ack: 101);
        Assert.Equal(7001u, In(rewriter, 101, 2001, Ack));
    }

    [Theory]
    [InlineData("syn received")]
    [InlineData("answered")]
    [InlineData("established")]
    public void After_a_checkpoint_in_any_state_nothing_is_translated(string state)
    {
        var rewriter = new SequenceRewriter();
        In(rewriter, 100, 0, Syn);
        if (state != "syn received")
        {
            Out(rewriter, 7000, Syn | Ack, ack: 101);
        }
        if (state == "established")
        {
            In(rewriter, 101, 2001, Ack);
        }
        rewriter.CheckpointLoaded();
        Assert.Equal(2000u, Out(rewriter, 2000, Syn | Ack, ack: 101));
        Assert.Equal(2001u, In(rewriter, 101, 2001, Ack));
        Assert.Equal(2001u, Out(rewriter, 2001, Ack));
        Assert.True(rewriter.IsIdle);
    }

    /// <summary>The replica alone had reset the connection; the primary's image, which has it, goes on.</summary>
    [Fact]
    public void A_connection_that_only_the_replaced_guest_had_ended_keeps_the_offset_that_its_image_brings()
    {
        var saved = new ArrayBufferWriter<byte>();
        var primary = new SequenceRewriter();
        Handshake(primary, 2000, 7000);
        primary.Save(saved);
        var rewriter = new SequenceRewriter();
        Assert.True(rewriter.TryCheckpointLoaded(saved.WrittenSpan, now));
        Out(rewriter, 7001, TcpFlags.Rst);
        Assert.True(rewriter.TryCheckpointLoaded(saved.WrittenSpan, now));
        rewriter.Promote();
        Assert.Equal(2001u, Out(rewriter, 7001, Ack));
        now += TimeSpan.FromMinutes(10);
        Assert.Equal(2001u, Out(rewriter, 7001, Ack));
    }

    /// <summary>The client has closed its side, the answer is on its way, and the client's network is away: Linux sends
    /// again after up to 120 s.</summary>
    [Fact]
    public void An_end_that_is_sent_again_after_the_longest_pause_still_has_the_clients_number()
    {
        var rewriter = new SequenceRewriter();
        Handshake(rewriter, 2000, 7000);
        rewriter.Promote();
        In(rewriter, 101, 2001, TcpFlags.Fin | Ack);
        Assert.Equal(2001u, Out(rewriter, 7001, TcpFlags.Fin | Ack, ack: 102));
        for (int i = 0; i < 3; i++)
        {
            now += TimeSpan.FromSeconds(120);
            Assert.Equal(2001u, Out(rewriter, 7001, TcpFlags.Fin | Ack, ack: 102));
        }

        Assert.Equal(7002u, In(rewriter, 102, 2002, Ack));
    }

    /// <summary>A router on the way tells of a smaller path (RFC 1191, RFC 8201). A guest believes only what quotes a
    /// number that it has under way.</summary>
    [Theory]
    [InlineData(false, 0, 8)]
    [InlineData(true, 0, 8)]
    [InlineData(true, 0, 900)]
    [InlineData(false, 7, 900)]
    public void An_error_that_quotes_a_segment_reaches_the_guest_with_its_own_number(
        bool ipv6, int vlan, int quotedBytes)
    {
        var rewriter = new SequenceRewriter();
        Handshake(rewriter, 1000, 5000, ipv6);
        byte[] sent = TestFrames.Tcp(5001, 101, Ack, new byte[1200], ipv6: ipv6);
        rewriter.FromGuest(sent, now);
        byte[] error = Error(sent, ipv6, vlan, quotedBytes);
        RewriteResult result = rewriter.ToGuest(error, now);
        FrameView view = FrameView.Parse(error);
        int at = view.TransportOffset + 8 + (ipv6 ? 40 : 20) + 4;
        uint quoted = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(error.AsSpan(at));
        // The connection without a tag is another one.
        Assert.Equal(vlan == 0 ? (RewriteResult.Rewritten, 5001u) : (RewriteResult.Unchanged, 1001u), (result, quoted));
        Assert.Equal(0, ipv6
            ? InternetChecksum.ComputeTransport(view.SourceAddress, view.DestinationAddress, 58, view.TransportBytes)
            : (ushort)~InternetChecksum.Add(0, view.TransportBytes));
    }

    [Fact]
    public void An_error_that_quotes_too_little_or_nothing_of_a_connection_passes()
    {
        var rewriter = new SequenceRewriter();
        Handshake(rewriter, 1000, 5000);
        byte[] sent = TestFrames.Tcp(1001, 101, Ack, new byte[1200]);
        byte[] ended = (byte[])sent.Clone();
        ended[14] = 0x4F;
        byte[] fragment = (byte[])sent.Clone();
        fragment[21] = 5;
        byte[][] errors =
        [
            Error(sent, false, 0, 7), Error(sent, false, 0, -1), Error(sent, false, 0, -20), Error(ended, false, 0, 8),
            Error(fragment, false, 0, 8), Error(TestFrames.Udp([1, 2], 80, 4000), false, 0, 8),
            Error(TestFrames.Tcp(1001, 101, Ack, [], 80, 4001), false, 0, 20),
        ];
        foreach (byte[] error in errors)
        {
            byte[] before = (byte[])error.Clone();
            Assert.Equal(RewriteResult.Unchanged, rewriter.ToGuest(error, now));
            Assert.Equal(before, error);
        }
    }

    [Fact]
    public void After_a_checkpoint_a_repeated_syn_of_the_client_leads_to_offset_zero()
    {
        var rewriter = new SequenceRewriter();
        rewriter.CheckpointLoaded();
        In(rewriter, 100, 0, Syn);
        Out(rewriter, 2000, Syn | Ack, ack: 101);
        Assert.Equal(2001u, In(rewriter, 101, 2001, Ack));
        Assert.Equal(2001u, Out(rewriter, 2001, Ack));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_syn_that_the_image_has_received_and_not_answered_is_answered_with_a_number_to_be_learnt(
        bool passedHere)
    {
        // The capture fell between the card's delivery and the guest's stack: both guests answer the SYN of the image
        // afterwards, each with its own number, and the client is given the primary's.
        var rewriter = new SequenceRewriter();
        if (passedHere)
        {
            In(rewriter, 100, 0, Syn);
        }
        rewriter.CheckpointLoaded();
        Out(rewriter, 7000, Syn | Ack, ack: 101);
        Assert.Equal(7001u, In(rewriter, 101, 2001, Ack));
        rewriter.Promote();
        Assert.Equal(2001u, Out(rewriter, 7001, Ack));
        Assert.Equal(7001u, In(rewriter, 101, 2001, Ack));
    }

    [Fact]
    public void An_answer_that_an_image_repeats_keeps_the_offset_that_came_with_the_image()
    {
        var promoted = new SequenceRewriter();
        Handshake(promoted, 1000, 5000);
        var blob = new ArrayBufferWriter<byte>();
        promoted.Save(blob);
        var next = new SequenceRewriter();
        Assert.True(next.TryCheckpointLoaded(blob.WrittenSpan, now));
        Assert.Equal(1000u, Out(next, 5000, Syn | Ack, ack: 101));
        Assert.Equal(5001u, In(next, 101, 1001, Ack));
    }

    [Fact]
    public void An_answer_that_is_repeated_behind_its_acknowledgement_does_not_teach_a_later_one()
    {
        var rewriter = new SequenceRewriter();
        rewriter.CheckpointLoaded();
        Assert.Equal(2001u, In(rewriter, 101, 2001, Ack));
        Out(rewriter, 2000, Syn | Ack, ack: 101);
        var banner = TestFrames.Tcp(2001, 101, Ack, [1, 2, 3], 80, 4000);
        rewriter.FromGuest(banner, now);
        Assert.Equal(2004u, In(rewriter, 101, 2004, Ack));
        Assert.Equal(2004u, Out(rewriter, 2004, Ack));
    }

    [Fact]
    public void A_guest_that_forgot_its_answer_and_gives_another_is_learnt_anew()
    {
        SequenceRewriter rewriter = Answered();
        In(rewriter, 100, 0, Syn);
        Out(rewriter, 8000, Syn | Ack, ack: 101);
        Assert.Equal(8001u, In(rewriter, 101, 2001, Ack));
        Assert.Equal(2001u, Out(rewriter, 8001, Ack));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_late_syn_of_a_live_connection_does_not_cut_the_client_off(bool takenOver)
    {
        // The image has the connection, its SYN comes once more; the guest answers with a challenge (RFC 5961), or is
        // the owner by then.
        var rewriter = new SequenceRewriter();
        rewriter.CheckpointLoaded();
        In(rewriter, 100, 0, Syn);
        if (takenOver)
        {
            rewriter.Promote();
        }
        else
        {
            Out(rewriter, 2001, Ack);
        }
        Assert.Equal(2001u, In(rewriter, 101, 2001, Ack));
    }

    [Fact]
    public void A_stray_syn_does_not_disturb_a_live_connection_and_a_new_one_starts_anew()
    {
        var rewriter = new SequenceRewriter();
        Handshake(rewriter, 1000, 5000);
        In(rewriter, 0x7777, 0, Syn);
        Assert.Equal(5001u, In(rewriter, 101, 1001, Ack));
        Out(rewriter, 9000, Syn | Ack, ack: 0x7778);
        Assert.Equal(9001u, In(rewriter, 0x7778, 3001, Ack));
        Assert.Equal(3001u, Out(rewriter, 9001, Ack));
    }

    [Fact]
    public void Resets_are_translated_except_the_one_that_has_no_number()
    {
        var rewriter = new SequenceRewriter();
        Handshake(rewriter, 1000, 5000);
        Assert.Equal(0u, Out(rewriter, 0, TcpFlags.Rst | Ack, ack: 101));
        Assert.Equal(1005u, Out(rewriter, 5005, TcpFlags.Rst));
    }

    [Fact]
    public void An_ended_connection_is_forgotten_after_its_time_and_not_before()
    {
        var rewriter = new SequenceRewriter();
        Handshake(rewriter, 1000, 5000);
        Assert.Equal(1001u, Out(rewriter, 5001, Ack | TcpFlags.Fin));
        In(rewriter, 101, 1002, Ack | TcpFlags.Fin);
        now += TimeSpan.FromSeconds(149);
        Assert.Equal(1002u, Out(rewriter, 5002, Ack));
        now += TimeSpan.FromSeconds(151);
        Assert.Equal(5002u, Out(rewriter, 5002, Ack));
        Assert.Equal(0, rewriter.ConnectionCount);
    }

    [Theory]
    [InlineData(0x4000_0000u, true)]
    [InlineData(100u, true)]
    [InlineData(101u, false)]
    [InlineData(131u, false)]
    public void A_reset_ends_a_connection_only_where_the_guest_could_take_it(uint sequence, bool lives)
    {
        var rewriter = new SequenceRewriter();
        Handshake(rewriter, 1000, 5000);
        rewriter.Promote();
        Assert.Equal(1001u, Out(rewriter, 5001, Ack, ack: 101));
        In(rewriter, sequence, 0, TcpFlags.Rst);
        now += TimeSpan.FromSeconds(151);
        Assert.Equal(lives ? 1001u : 5001u, Out(rewriter, 5001, Ack, ack: 101));
    }

    [Fact]
    public void Offsets_survive_a_takeover_and_new_connections_need_none()
    {
        var rewriter = new SequenceRewriter();
        Handshake(rewriter, 1000, 5000);
        rewriter.Promote();
        Assert.Equal(1001u, Out(rewriter, 5001, Ack));
        In(rewriter, 100, 0, Syn, port: 4001);
        Out(rewriter, 7000, Syn | Ack, ack: 101, port: 4001);
        Assert.Equal(7001u, In(rewriter, 101, 7001, Ack, port: 4001));
        Assert.Equal(1, rewriter.ConnectionCount);
        Assert.False(rewriter.IsIdle);
    }

    [Fact]
    public void A_handshake_that_was_open_at_the_takeover_still_learns()
    {
        SequenceRewriter rewriter = Answered();
        rewriter.Promote();
        Assert.Equal(7001u, In(rewriter, 101, 2001, Ack));
        Assert.Equal(2001u, Out(rewriter, 7001, Ack));
    }

    [Fact]
    public void Saved_offsets_let_the_next_secondary_carry_the_connection_on()
    {
        var promoted = new SequenceRewriter();
        Handshake(promoted, 1000, 5000);
        var blob = new ArrayBufferWriter<byte>();
        promoted.Save(blob);
        var next = new SequenceRewriter();
        Assert.True(next.TryCheckpointLoaded(blob.WrittenSpan, now));
        Assert.Equal(1001u, Out(next, 5001, Ack));
        Assert.Equal(5001u, In(next, 101, 1001, Ack));
        next.CheckpointLoaded();
        Assert.Equal(5001u, Out(next, 5001, Ack));
    }

    [Fact]
    public void The_bytes_of_saved_offsets_are_the_documented_ones()
    {
        var rewriter = new SequenceRewriter();
        Handshake(rewriter, 1000, 5000);
        Handshake(rewriter, 0x10, 0xF, ipv6: true, port: 4001);
        var blob = new System.Buffers.ArrayBufferWriter<byte>();
        rewriter.Save(blob);
        GoldenBytes.Equal(
            "02 00000002 "
            + "0000000000000000000000000A000001 0000000000000000000000000A000002 0050 0FA0 06 100000 00000FA0 00000000 "
            + "FD00000000000000000000000A000001 FD00000000000000000000000A000002 0050 0FA1 06 180000 FFFFFFFF 00000000",
            blob.WrittenSpan);
    }

    [Fact]
    public void Bad_saved_offsets_change_nothing()
    {
        var rewriter = new SequenceRewriter();
        Handshake(rewriter, 1000, 5000);
        foreach (byte[] bad in (byte[][])[[], [2], [1, 0, 0, 0, 0], [3, 0, 0, 0, 0], [2, 0, 0, 0, 1], [2, 255, 255, 255, 255, 0], [2, 0, 0, 0, 0, 9]])
        {
            Assert.False(rewriter.TryCheckpointLoaded(bad, now));
        }
        Assert.Equal(1001u, Out(rewriter, 5001, Ack));
    }

    [Fact]
    public void A_full_table_keeps_live_offsets_forgets_what_it_may_and_says_what_it_refused()
    {
        var rewriter = new SequenceRewriter(new RewriterOptions { ConnectionsMax = 8 });
        for (var i = 0; i < 7; i++)
        {
            Handshake(rewriter, 1000, 5000, port: 4000 + i);
        }
        for (var i = 0; i < 50; i++)
        {
            In(rewriter, 100, 0, Syn, port: 6000 + i);
        }
        Assert.Equal(0, rewriter.Refused);
        Handshake(rewriter, 1000, 5000, port: 4007);
        In(rewriter, 100, 0, Syn, port: 7000);
        Assert.Equal(1, rewriter.Refused);
        for (var i = 0; i < 8; i++)
        {
            Assert.Equal(1001u, Out(rewriter, 5001, Ack, port: 4000 + i));
        }
        rewriter.CheckpointLoaded();
        Handshake(rewriter, 1000, 5000, port: 7001);
        Assert.Equal(1, rewriter.Refused);
        Assert.Equal(8, rewriter.ConnectionCount);
    }

    [Fact]
    public void A_flood_of_half_open_connections_keeps_nobody_out()
    {
        var rewriter = new SequenceRewriter(new RewriterOptions { ConnectionsMax = 8 });
        for (var i = 0; i < 100; i++)
        {
            In(rewriter, 100, 0, Syn, port: 6000 + i);
            Out(rewriter, 7000, Syn | Ack, ack: 101, port: 6000 + i);
        }
        Handshake(rewriter, 1000, 5000);
        Assert.Equal(1001u, Out(rewriter, 5001, Ack));
        Assert.Equal(0, rewriter.Refused);
    }

    [Fact]
    public void An_unfinished_checksum_is_left_alone()
    {
        var rewriter = new SequenceRewriter();
        Handshake(rewriter, 1000, 5000);
        var frame = TestFrames.Tcp(5001, 101, Ack, [1]);
        var view = FrameView.Parse(frame);
        var before = frame[(view.TransportOffset + 16)..(view.TransportOffset + 18)];
        rewriter.FromGuest(frame, now, isChecksumPartial: true);
        Assert.Equal(before, frame[(view.TransportOffset + 16)..(view.TransportOffset + 18)]);
    }

    private static byte[] ToGuest(uint seq, uint ack, TcpFlags flags, int port = 4000, bool ipv6 = false) =>
        TestFrames.Tcp(seq, ack, flags, [], port, 80, fromGuest: false, ipv6: ipv6);

    /// <summary>A client has begun with 100, the guest has answered with 7000.</summary>
    /// <summary>"Too big" for a frame of the guest, with so many bytes of it behind its IP header.</summary>
    private static byte[] Error(byte[] frame, bool ipv6, int vlan, int quotedBytes)
    {
        ReadOnlySpan<byte> quoted = frame.AsSpan(14, (ipv6 ? 40 : 20) + quotedBytes);
        byte[] message = [(byte)(ipv6 ? 2 : 3), (byte)(ipv6 ? 0 : 4), 0, 0, 0, 0, 4, 0, .. quoted];
        if (!ipv6)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(
                message.AsSpan(2), (ushort)~InternetChecksum.Add(0, message));
        }

        return TestFrames.Ip(ipv6 ? 58 : 1, message, false, ipv6, vlan: vlan, checksumAt: ipv6 ? 2 : -1);
    }

    private SequenceRewriter Answered()
    {
        var rewriter = new SequenceRewriter();
        In(rewriter, 100, 0, Syn);
        Out(rewriter, 7000, Syn | Ack, ack: 101);
        return rewriter;
    }

    private uint In(SequenceRewriter rewriter, uint seq, uint ack, TcpFlags flags, int port = 4000, bool ipv6 = false)
    {
        var frame = ToGuest(seq, ack, flags, port, ipv6);
        Assert.NotEqual(RewriteResult.Withhold, rewriter.ToGuest(frame, now));
        Assert.True(TestFrames.HasRightTcpChecksum(frame));
        return FrameView.Parse(frame).Acknowledgement.Value;
    }

    private uint Out(SequenceRewriter rewriter, uint seq, TcpFlags flags, uint ack = 101, int port = 4000, bool ipv6 = false)
    {
        var frame = TestFrames.Tcp(seq, ack, flags, [], 80, port, ipv6: ipv6);
        rewriter.FromGuest(frame, now);
        Assert.True(TestFrames.HasRightTcpChecksum(frame));
        return FrameView.Parse(frame).Sequence.Value;
    }

    private void Handshake(SequenceRewriter rewriter, uint primarySyn, uint guestSyn, bool ipv6 = false, int port = 4000)
    {
        In(rewriter, 100, 0, Syn, port, ipv6);
        Assert.Equal(guestSyn, Out(rewriter, guestSyn, Syn | Ack, 101, port, ipv6));
        Assert.Equal(unchecked(guestSyn + 1), In(rewriter, 101, unchecked(primarySyn + 1), Ack, port, ipv6));
    }
}
