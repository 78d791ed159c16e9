using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

public sealed class PacketComparerTcpTests
{
    private const TcpFlags Ack = TcpFlags.Ack;

    private static byte[] Bytes(int from, int count) => [.. Enumerable.Range(from, count).Select(i => (byte)i)];

    private static byte[] Data(uint seq, int from, int count, uint ack = 500, TcpFlags flags = TcpFlags.Ack) =>
        TestFrames.Tcp(seq, ack, flags, Bytes(from, count));

    [Fact]
    public void Releases_equal_segments_as_matched()
    {
        using var world = new ComparerWorld();
        world.P(Data(1000, 0, 100));
        Assert.Equal(0, world.ReleasedCount);
        world.S(Data(1000, 0, 100));
        Assert.Equal(ReleasePermit.Matched, Assert.Single(world.Sink.Released).Permit);
        Assert.Empty(world.Sink.Requests);
    }

    [Fact]
    public void Ignores_ip_id_ttl_window_timestamps_and_padding()
    {
        using var world = new ComparerWorld();
        world.P(TestFrames.Tcp(1, 5, Ack, [9], options: [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8], padTo: 90));
        world.S(TestFrames.Tcp(1, 5, Ack | TcpFlags.Psh, [9], ipId: 99, ttl: 3, window: 5));
        Assert.Equal(1, world.ReleasedCount);
    }

    [Theory]
    [InlineData(1000u)]
    [InlineData(0xFFFF_FFC0u)]
    public void Matches_whatever_the_segmentation(uint start)
    {
        using var world = new ComparerWorld();
        world.P(Data(start, 0, 150));
        world.P(Data(unchecked(start + 150), 150, 50));
        for (var at = 0; at < 200; at += 20)
        {
            world.S(Data(unchecked(start + (uint)at), at, 20));
        }
        Assert.Equal(2, world.ReleasedCount);
        for (var at = 200; at < 250; at += 10)
        {
            world.P(Data(unchecked(start + (uint)at), at, 10));
        }
        world.S(Data(unchecked(start + 200), 200, 50));
        Assert.Equal(7, world.ReleasedCount);
        Assert.Empty(world.Sink.Requests);
    }

    [Fact]
    public void Matches_reordered_and_overlapping_segments_of_the_secondary()
    {
        using var world = new ComparerWorld();
        world.P(Data(1000, 0, 60));
        world.S(Data(1040, 40, 20));
        world.S(Data(1010, 10, 20));
        world.S(Data(1025, 25, 20));
        Assert.Equal(0, world.ReleasedCount);
        world.S(Data(1000, 0, 12));
        Assert.Equal(1, world.ReleasedCount);
    }

    [Fact]
    public void Releases_a_retransmission_without_another_answer()
    {
        using var world = new ComparerWorld();
        world.P(Data(1000, 0, 50));
        world.S(Data(1000, 0, 50));
        world.P(Data(1000, 0, 50));
        world.P(Data(1020, 20, 10));
        Assert.Equal(3, world.ReleasedCount);
        world.Wait(500);
        Assert.Empty(world.Sink.Requests);
    }

    [Fact]
    public void A_segment_lost_inside_the_primary_is_compared_when_it_comes_later()
    {
        using var world = new ComparerWorld();
        world.P(Data(1000, 0, 10));
        world.S(Data(1000, 0, 10));
        world.S(TestFrames.Tcp(1010, 500, Ack, [99, 99]));
        world.S(Data(1012, 12, 10));
        world.P(Data(1012, 12, 10));
        Assert.Equal(2, world.ReleasedCount);
        world.P(Data(1010, 10, 2));
        Assert.Equal(2, world.ReleasedCount);
        Assert.Equal([CheckpointReason.Mismatch], world.Sink.Requests);
    }

    [Fact]
    public void A_filled_gap_lets_the_secondarys_frames_go()
    {
        using var world = new ComparerWorld();
        world.P(Data(1000, 0, 10));
        world.S(Data(1000, 0, 40));
        world.P(Data(1020, 20, 20));
        world.P(Data(1010, 10, 10));
        Assert.Equal(3, world.ReleasedCount);
        Assert.Equal(0, world.Pool.OutstandingCount);
    }

    /// <summary>What a comparer sees first of a connection that is older than itself: a repeated segment, while what
    /// followed it had arrived; or, while this host was alone, a keep-alive, whose number is one below the
    /// next.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Data_that_has_matched_behind_a_gap_asks_for_no_checkpoint_later(bool keepAlive)
    {
        using var world = new ComparerWorld();
        if (keepAlive)
        {
            world.Comparer.GoSolo();
            world.P(Data(1999, 0, 0));
            FrameEpoch joined = world.PrimaryEpoch.Next;
            world.Comparer.EnterPair(joined);
            world.JoinAt(joined);
        }
        else
        {
            world.P(Data(1000, 0, 100));
            world.S(Data(1000, 0, 100));
        }

        for (uint seq = 2000; seq < 2500; seq += 100)
        {
            world.S(Data(seq, 0, 100));
            world.P(Data(seq, 0, 100));
            world.S(Data(seq, 0, 100));
        }

        Assert.Equal(6, world.ReleasedCount);
        world.Wait(10_000);
        Assert.Empty(world.Sink.Requests);
        world.P(Data(2100, 0, 100));
        Assert.Equal(7, world.ReleasedCount);
    }

    [Fact]
    public void Two_gibibytes_behind_a_gap_are_still_compared()
    {
        using var world = new ComparerWorld();
        foreach (uint seq in (uint[])[1000, 0x3000_0000, 0x6000_0000, 0x8000_0000])
        {
            world.P(Data(seq, 0, 100));
            world.S(Data(seq, 0, 100));
        }

        Assert.Equal(4, world.ReleasedCount);
        world.P(Data(0x9000_0000, 0, 100));
        Assert.Equal(4, world.ReleasedCount);
        world.S(Data(0x9000_0000, 0, 100));
        Assert.Equal(5, world.ReleasedCount);
        Assert.Equal(0, world.Pool.OutstandingCount);
    }

    [Fact]
    public void Holds_a_segment_that_acknowledges_more_than_the_secondary_has()
    {
        using var world = new ComparerWorld();
        world.P(Data(1000, 0, 10, ack: 700));
        world.S(Data(1000, 0, 10, ack: 600));
        Assert.Equal(0, world.ReleasedCount);
        world.S(TestFrames.Tcp(1010, 699, Ack, []));
        Assert.Equal(0, world.ReleasedCount);
        world.S(TestFrames.Tcp(1010, 700, Ack, []));
        Assert.Equal(1, world.ReleasedCount);
    }

    [Theory]
    [InlineData(0xFFFF_FFF0u, 5u, false)]
    [InlineData(5u, 0xFFFF_FFF0u, true)]
    [InlineData(0xFFFF_FFFFu, 0u, false)]
    [InlineData(0u, 0u, true)]
    public void The_ack_rule_holds_across_the_wrap(uint secondaryAck, uint primaryAck, bool isReleased)
    {
        using var world = new ComparerWorld();
        world.S(TestFrames.Tcp(1, secondaryAck, Ack, []));
        world.P(TestFrames.Tcp(1, primaryAck, Ack, []));
        Assert.Equal(isReleased ? 1 : 0, world.ReleasedCount);
    }

    [Fact]
    public void A_late_lower_ack_of_the_secondary_does_not_lower_the_bound()
    {
        using var world = new ComparerWorld();
        world.S(TestFrames.Tcp(1, 900, Ack, []));
        world.S(TestFrames.Tcp(1, 800, Ack, []));
        world.P(TestFrames.Tcp(1, 900, Ack, []));
        Assert.Equal(1, world.ReleasedCount);
    }

    [Fact]
    public void A_pure_ack_waits_for_the_secondarys_ack_and_ages()
    {
        using var world = new ComparerWorld();
        world.P(TestFrames.Tcp(1, 900, Ack, []));
        Assert.Equal(0, world.ReleasedCount);
        world.Wait(201);
        Assert.Equal([CheckpointReason.Timeout], world.Sink.Requests);
        world.Checkpoint();
        Assert.Equal(ReleasePermit.Committed, Assert.Single(world.Sink.Released).Permit);
    }

    [Fact]
    public void A_difference_asks_for_one_checkpoint_and_names_the_byte()
    {
        using var world = new ComparerWorld();
        world.P(TestFrames.Tcp(99, 500, Ack, [7]));
        world.S(TestFrames.Tcp(99, 500, Ack, [7]));
        world.P(TestFrames.Tcp(100, 500, Ack, [1, 2, 3]));
        world.S(TestFrames.Tcp(100, 500, Ack, [1, 2, 4]));
        world.P(TestFrames.Tcp(103, 500, Ack, [1, 2, 3]));
        world.S(TestFrames.Tcp(103, 500, Ack, [8, 8, 8]));
        world.Wait(1000);
        Assert.Equal(1, world.ReleasedCount);
        Assert.Equal([CheckpointReason.Mismatch], world.Sink.Requests);
        var text = Assert.Single(world.Sink.Differences);
        Assert.Contains("10.0.0.1:80 -> 10.0.0.2:4000", text, StringComparison.Ordinal);
        Assert.Contains("byte 3: primary 0x03, secondary 0x04", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Syn_acks_match_although_their_numbers_differ()
    {
        using var world = new ComparerWorld();
        world.P(TestFrames.Tcp(0xFFFF_FFFF, 101, TcpFlags.Syn | Ack, [], options: [2, 4, 5, 180]));
        world.S(TestFrames.Tcp(8888, 101, TcpFlags.Syn | Ack, [], options: [2, 4, 5, 180]));
        Assert.Equal(1, world.ReleasedCount);
        world.P(Data(0, 0, 10, ack: 101));
        world.S(Data(0, 0, 10, ack: 101));
        Assert.Equal(2, world.ReleasedCount);
        Assert.Equal(0, world.Pool.OutstandingCount);
    }

    [Fact]
    public void A_syn_ack_waits_until_the_secondary_has_answered_the_same_syn()
    {
        using var world = new ComparerWorld();
        world.S(TestFrames.Tcp(8888, 77, TcpFlags.Syn | Ack, []));
        world.P(TestFrames.Tcp(5, 101, TcpFlags.Syn | Ack, []));
        Assert.Equal(0, world.ReleasedCount);
    }

    [Theory]
    [InlineData(new byte[] { 3, 3, 7, 0 }, new byte[] { 3, 3, 8, 0 })]
    [InlineData(new byte[] { 4, 2 }, new byte[] { 1, 1 })]
    [InlineData(
        new byte[] { 30, 12, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8 }, new byte[] { 30, 12, 1, 1, 1, 2, 3, 4, 5, 6, 7, 9 })]
    [InlineData(new byte[] { 30, 12, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8 }, new byte[] { 2, 4, 5, 180 })]
    public void Syn_options_that_bind_the_connection_must_agree(byte[] mine, byte[] theirs)
    {
        using var world = new ComparerWorld();
        world.P(TestFrames.Tcp(5, 101, TcpFlags.Syn | Ack, [], options: mine));
        world.S(TestFrames.Tcp(9, 101, TcpFlags.Syn | Ack, [], options: theirs));
        Assert.Equal([CheckpointReason.Mismatch], world.Sink.Requests);
    }

    [Fact]
    public void Syn_options_in_another_order_and_others_that_bind_nobody_may_differ()
    {
        using var world = new ComparerWorld();
        byte[] multipath = [30, 12, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8];
        world.P(TestFrames.Tcp(5, 101, TcpFlags.Syn | Ack, [], options: [2, 4, 5, 180, 3, 3, 7, 1, .. multipath]));
        world.S(TestFrames.Tcp(9, 101, TcpFlags.Syn | Ack, [], options: [.. multipath, 1, 3, 3, 7, 2, 4, 5, 170]));
        Assert.Equal(1, world.ReleasedCount);
    }

    [Fact]
    public void A_fin_matches_only_a_fin_at_the_same_place()
    {
        using var world = new ComparerWorld();
        world.P(Data(1000, 0, 10, flags: Ack | TcpFlags.Fin));
        world.S(Data(1000, 0, 10));
        Assert.Equal(0, world.ReleasedCount);
        world.S(TestFrames.Tcp(1010, 500, Ack | TcpFlags.Fin, []));
        Assert.Equal(1, world.ReleasedCount);
        world.P(TestFrames.Tcp(1010, 500, Ack | TcpFlags.Fin, []));
        Assert.Equal(2, world.ReleasedCount);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_stream_that_ends_on_one_side_only_is_a_difference(bool primaryEnds)
    {
        using var world = new ComparerWorld();
        var shorter = Data(1000, 0, 10, flags: Ack | TcpFlags.Fin);
        var longer = Data(1000, 0, 20);
        world.P(primaryEnds ? shorter : longer);
        world.S(primaryEnds ? longer : shorter);
        Assert.Equal([CheckpointReason.Mismatch], world.Sink.Requests);
        Assert.Equal(0, world.ReleasedCount);
    }

    [Fact]
    public void A_reset_waits_for_the_secondarys_reset()
    {
        using var world = new ComparerWorld();
        world.P(TestFrames.Tcp(1000, 0, TcpFlags.Rst, []));
        Assert.Equal(0, world.ReleasedCount);
        world.S(TestFrames.Tcp(1000, 0, TcpFlags.Rst, []));
        world.P(TestFrames.Tcp(1000, 0, TcpFlags.Rst, []));
        Assert.Equal(2, world.ReleasedCount);
        world.P(TestFrames.Tcp(0, 44, TcpFlags.Rst | Ack, []));
        world.S(TestFrames.Tcp(0, 45, TcpFlags.Rst | Ack, []));
        Assert.Equal(2, world.ReleasedCount);
    }

    [Fact]
    public void A_new_connection_on_the_same_ports_inherits_nothing()
    {
        using var world = new ComparerWorld();
        world.P(TestFrames.Tcp(9000, 101, TcpFlags.Syn | Ack, []));
        world.S(TestFrames.Tcp(7000, 101, TcpFlags.Syn | Ack, []));
        world.P(Data(9001, 0, 100, ack: 0x7000_0000));
        world.S(Data(9001, 0, 100, ack: 0x7000_0000));
        Assert.Equal(2, world.ReleasedCount);
        // The next one begins lower in both directions: with the old watermark and bound all of it would pass
        // unseen (H6).
        world.P(TestFrames.Tcp(5000, 51, TcpFlags.Syn | Ack, []));
        Assert.Equal(2, world.ReleasedCount);
        world.S(TestFrames.Tcp(6000, 51, TcpFlags.Syn | Ack, []));
        Assert.Equal(3, world.ReleasedCount);
        world.P(Data(5001, 0, 100, ack: 90));
        Assert.Equal(3, world.ReleasedCount);
        world.S(Data(5001, 0, 100, ack: 51));
        Assert.Equal(3, world.ReleasedCount);
        world.S(TestFrames.Tcp(5101, 90, Ack, []));
        Assert.Equal(4, world.ReleasedCount);
        Assert.Empty(world.Sink.Requests);
    }

    [Fact]
    public void The_secondary_may_be_a_connection_ahead()
    {
        using var world = new ComparerWorld();
        world.P(Data(1000, 0, 10));
        world.S(Data(1000, 0, 20));
        world.S(TestFrames.Tcp(6000, 51, TcpFlags.Syn | Ack, []));
        world.P(Data(1010, 10, 10));
        world.P(TestFrames.Tcp(7000, 51, TcpFlags.Syn | Ack, []));
        Assert.Equal(3, world.ReleasedCount);
        Assert.Equal(0, world.Pool.OutstandingCount);
    }

    [Fact]
    public void Order_of_release_is_the_primarys()
    {
        using var world = new ComparerWorld();
        world.P(Data(1010, 10, 10));
        world.P(Data(1000, 0, 10));
        world.P(TestFrames.Tcp(1020, 500, Ack, []));
        world.S(Data(1000, 0, 20));
        Assert.Equal([1010u, 1000u, 1020u], world.Sink.Released.Select(r => FrameView.Parse(r.Frame).Sequence.Value));
    }

    [Fact]
    public void A_long_offloaded_segment_matches_small_ones()
    {
        using var world = new ComparerWorld();
        var stream = new byte[60000];
        new Random(1).NextBytes(stream);
        world.P(TestFrames.Tcp(1, 5, Ack, stream));
        for (var at = 0; at < stream.Length; at += 1000)
        {
            Assert.Equal(0, world.ReleasedCount);
            world.S(TestFrames.Tcp((uint)(1 + at), 5, Ack, stream.AsSpan(at, 1000)));
        }
        Assert.Equal(1, world.ReleasedCount);
    }

    [Fact]
    public void Ipv6_streams_are_compared_too()
    {
        using var world = new ComparerWorld();
        world.P(TestFrames.Tcp(1, 5, Ack, [1, 2], ipv6: true, extensions: 2));
        world.S(TestFrames.Tcp(1, 5, Ack, [1, 2], ipv6: true));
        world.P(TestFrames.Tcp(3, 5, Ack, [1], ipv6: true));
        world.S(TestFrames.Tcp(3, 5, Ack, [2], ipv6: true));
        Assert.Equal(1, world.ReleasedCount);
        Assert.Equal([CheckpointReason.Mismatch], world.Sink.Requests);
    }
}
