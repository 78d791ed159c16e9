using System.Buffers;
using System.Buffers.Binary;
using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

/// <summary>
/// The timestamps of RFC 7323 behind the rewriter. In the fixtures the guest's stack numbers from 5000 and the
/// primary's from 1000.
/// </summary>
public sealed class RewriterTimestampTests
{
    private const TcpFlags Ack = TcpFlags.Ack;
    private const TcpFlags Syn = TcpFlags.Syn;
    private static readonly TimeSpan Now = TimeSpan.FromSeconds(5);

    public static TheoryData<bool, int, uint, uint> Clocks()
    {
        var clocks = new TheoryData<bool, int, uint, uint>();
        foreach (var ipv6 in (bool[])[false, true])
        {
            foreach (var fillers in (int[])[1, 2])
            {
                clocks.Add(ipv6, fillers, 700, 90_000);
                clocks.Add(ipv6, fillers, 0xFFFF_FFFE, 3);
                clocks.Add(ipv6, fillers, 2, 0xFFFF_FFFD);
            }
        }
        return clocks;
    }

    [Theory]
    [MemberData(nameof(Clocks))]
    public void Both_numbers_are_translated_at_any_alignment_and_across_the_wrap(bool ipv6, int fillers, uint primaryClock, uint guestClock)
    {
        var rewriter = new SequenceRewriter();
        In(rewriter, 100, 0, Syn, (1, 0), fillers, ipv6);
        Assert.Equal((guestClock, 1u), Out(rewriter, 5000, Syn | Ack, (guestClock, 1), fillers, ipv6));
        Assert.Equal((2u, guestClock), In(rewriter, 101, 1001, Ack, (2, primaryClock), fillers, ipv6));
        var later = unchecked(guestClock + 10);
        Assert.Equal((unchecked(primaryClock + 10), 2u), Out(rewriter, 5001, Ack, (later, 2), fillers, ipv6));
        Assert.Equal((3u, unchecked(guestClock + 7)), In(rewriter, 101, 1001, Ack, (3, unchecked(primaryClock + 7)), fillers, ipv6));
    }

    [Fact]
    public void A_connection_of_the_guest_learns_from_the_servers_answer()
    {
        var rewriter = new SequenceRewriter();
        Out(rewriter, 5000, Syn, (90_000, 0));
        Assert.Equal((1u, 90_000u), In(rewriter, 100, 1001, Syn | Ack, (1, 700)));
        Assert.Equal((710u, 1u), Out(rewriter, 5001, Ack, (90_010, 1)));
    }

    [Fact]
    public void A_repeated_answer_of_the_guest_counts_with_its_last_timestamp()
    {
        var rewriter = new SequenceRewriter();
        In(rewriter, 100, 0, Syn, (1, 0));
        Out(rewriter, 5000, Syn | Ack, (90_000, 1));
        Out(rewriter, 5000, Syn | Ack, (91_000, 1));
        Assert.Equal((2u, 91_000u), In(rewriter, 101, 1001, Ack, (2, 700)));
        Assert.Equal((701u, 2u), Out(rewriter, 5001, Ack, (91_001, 2)));
    }

    [Fact]
    public void Until_the_guest_has_sent_more_than_its_syn_every_echo_is_that_of_the_syn()
    {
        var rewriter = new SequenceRewriter();
        In(rewriter, 100, 0, Syn, (1, 0));
        Out(rewriter, 5000, Syn | Ack, (90_000, 1));
        In(rewriter, 101, 1001, Ack, (2, 700));
        Assert.Equal((2u, 90_000u), In(rewriter, 101, 1001, Ack, (2, 650)));
        Assert.Equal((3u, 90_000u), In(rewriter, 101, 1005, Ack, (3, 1700)));
        Out(rewriter, 5000, Syn | Ack, (90_900, 1));
        Assert.Equal((3u, 90_900u), In(rewriter, 101, 1005, Ack, (3, 1700)));
    }

    [Theory]
    [InlineData(90_000u)]
    [InlineData(0xFFFF_FFFDu)]
    public void The_guest_never_sees_an_echo_later_than_what_it_has_sent(uint guestClock)
    {
        var rewriter = Established(guestClock);
        var last = unchecked(guestClock + 10);
        Out(rewriter, 5001, Ack, (last, 2));
        Assert.Equal((3u, last), In(rewriter, 101, 1001, Ack, (3, 711)));
        Assert.Equal((3u, last), In(rewriter, 101, 1001, Ack, (3, 5000)));
        Assert.Equal((3u, unchecked(last - 1)), In(rewriter, 101, 1001, Ack, (3, 709)));
    }

    [Fact]
    public void The_client_never_sees_a_timestamp_earlier_than_what_it_has_echoed()
    {
        var rewriter = Established(90_000);
        In(rewriter, 101, 1001, Ack, (3, 1200));
        rewriter.Promote();
        Assert.Equal((1200u, 3u), Out(rewriter, 5001, Ack, (90_010, 3)));
        In(rewriter, 101, 1001, Ack, (3, 900));
        Assert.Equal((1200u, 3u), Out(rewriter, 5001, Ack, (90_400, 3)));
        Assert.Equal((1201u, 3u), Out(rewriter, 5001, Ack, (90_501, 3)));
    }

    [Fact]
    public void An_echo_of_zero_and_segments_without_the_option_pass()
    {
        var rewriter = Established(90_000);
        Out(rewriter, 5001, Ack, (90_010, 2));
        Assert.Equal((3u, 0u), In(rewriter, 101, 1001, Ack, (3, 0)));
        Assert.Null(In(rewriter, 101, 1001, Ack, null));
        Assert.Null(Out(rewriter, 5001, Ack, null));
        Assert.Equal((3u, 90_010u), In(rewriter, 101, 1001, Ack, (3, 710)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Nothing_is_translated_unless_both_clocks_are_known(bool isGuestSilent)
    {
        var rewriter = new SequenceRewriter();
        In(rewriter, 100, 0, Syn, (1, 0));
        Out(rewriter, 5000, Syn | Ack, isGuestSilent ? null : (90_000, 1));
        Assert.Equal((2u, isGuestSilent ? 700u : 0u), In(rewriter, 101, 1001, Ack, (2, isGuestSilent ? 700u : 0u)));
        Assert.Equal((90_010u, 2u), Out(rewriter, 5001, Ack, (90_010, 2)));
        Assert.Equal((3u, 777u), In(rewriter, 101, 1001, Ack, (3, 777)));
    }

    [Fact]
    public void An_option_of_a_wrong_length_is_left_alone()
    {
        var rewriter = Established(90_000);
        byte[] options = [8, 6, 0, 0, 2, 0xBC, 1, 1];
        var frame = TestFrames.Tcp(101, 1001, Ack, [], 4000, 80, fromGuest: false, options: options);
        rewriter.ToGuest(frame, Now);
        Assert.Equal(options, FrameView.Parse(frame).TcpOptions.ToArray());
        Assert.True(TestFrames.HasRightTcpChecksum(frame));
    }

    [Theory]
    [InlineData("syn received")]
    [InlineData("answered")]
    [InlineData("established")]
    public void After_a_checkpoint_in_any_state_nothing_is_translated(string state)
    {
        var rewriter = new SequenceRewriter();
        In(rewriter, 100, 0, Syn, (1, 0));
        if (state != "syn received")
        {
            Out(rewriter, 5000, Syn | Ack, (90_000, 1));
        }
        if (state == "established")
        {
            In(rewriter, 101, 1001, Ack, (2, 700));
        }
        rewriter.CheckpointLoaded();
        Assert.Equal((900u, 1u), Out(rewriter, 1000, Syn | Ack, (900, 1)));
        Assert.Equal((2u, 700u), In(rewriter, 101, 1001, Ack, (2, 700)));
        Assert.Equal((905u, 2u), Out(rewriter, 1001, Ack, (905, 2)));
    }

    [Fact]
    public void A_guest_that_repeats_the_primarys_syn_out_of_an_image_keeps_its_clock()
    {
        var rewriter = new SequenceRewriter();
        rewriter.CheckpointLoaded();
        Out(rewriter, 1000, Syn, (1700, 0));
        Assert.Equal((1u, 700u), In(rewriter, 100, 1001, Syn | Ack, (1, 700)));
        Assert.Equal((1710u, 1u), Out(rewriter, 1001, Ack, (1710, 1)));
    }

    [Fact]
    public void A_new_connection_of_the_same_addresses_learns_anew()
    {
        var rewriter = Established(90_000);
        In(rewriter, 0x7777, 0, Syn, (50, 0));
        Assert.Equal((300u, 50u), Out(rewriter, 9000, Syn | Ack, (300, 50)));
        Assert.Equal((51u, 300u), In(rewriter, 0x7778, 3001, Ack, (51, 0x8000_0000)));
        Assert.Equal((0x8000_0001, 51u), Out(rewriter, 9001, Ack, (301, 51)));
    }

    [Fact]
    public void Saved_offsets_hold_the_clocks()
    {
        var promoted = Established(90_000);
        var blob = new ArrayBufferWriter<byte>();
        promoted.Save(blob);
        var next = new SequenceRewriter();
        Assert.True(next.TryCheckpointLoaded(blob.WrittenSpan, Now));
        Assert.Equal((3u, 90_020u), In(next, 101, 1001, Ack, (3, 720)));
        Assert.Equal((730u, 3u), Out(next, 5001, Ack, (90_030, 3)));
        Assert.Equal((4u, 90_030u), In(next, 101, 1001, Ack, (4, 740)));
        next.CheckpointLoaded();
        Assert.Equal((90_050u, 3u), Out(next, 5001, Ack, (90_050, 3)));
    }

    private static SequenceRewriter Established(uint guestClock)
    {
        var rewriter = new SequenceRewriter();
        In(rewriter, 100, 0, Syn, (1, 0));
        Out(rewriter, 5000, Syn | Ack, (guestClock, 1));
        Assert.Equal((2u, guestClock), In(rewriter, 101, 1001, Ack, (2, 700)));
        return rewriter;
    }

    private static (uint Value, uint Echo)? In(
        SequenceRewriter rewriter, uint seq, uint ack, TcpFlags flags, (uint Value, uint Echo)? stamps, int fillers = 2, bool ipv6 = false)
    {
        var frame = TestFrames.Tcp(seq, ack, flags, [], 4000, 80, fromGuest: false, options: Options(stamps, fillers), ipv6: ipv6);
        Assert.NotEqual(RewriteResult.Withhold, rewriter.ToGuest(frame, Now));
        return Read(frame);
    }

    private static (uint Value, uint Echo)? Out(
        SequenceRewriter rewriter, uint seq, TcpFlags flags, (uint Value, uint Echo)? stamps, int fillers = 2, bool ipv6 = false)
    {
        var ack = (flags & Ack) == 0 ? 0u : seq >= 9000 ? 0x7778u : 101;
        var frame = TestFrames.Tcp(seq, ack, flags, [], 80, 4000, options: Options(stamps, fillers), ipv6: ipv6);
        rewriter.FromGuest(frame, Now);
        return Read(frame);
    }

    private static byte[] Options((uint Value, uint Echo)? stamps, int fillers)
    {
        if (stamps is not { } numbers)
        {
            return [];
        }
        var body = new byte[8];
        BinaryPrimitives.WriteUInt32BigEndian(body, numbers.Value);
        BinaryPrimitives.WriteUInt32BigEndian(body.AsSpan(4), numbers.Echo);
        return [.. Enumerable.Repeat((byte)1, fillers), 8, 10, .. body];
    }

    private static (uint Value, uint Echo)? Read(byte[] frame)
    {
        Assert.True(TestFrames.HasRightTcpChecksum(frame));
        var options = FrameView.Parse(frame).TcpOptions;
        return TcpOptions.TryFindTimestamps(options, out var at)
            ? (BinaryPrimitives.ReadUInt32BigEndian(options[at..]), BinaryPrimitives.ReadUInt32BigEndian(options[(at + 4)..]))
            : null;
    }
}
