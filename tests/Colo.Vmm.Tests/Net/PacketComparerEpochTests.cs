using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

public sealed class PacketComparerEpochTests
{
    private static byte[] Data(uint seq, params byte[] payload) => TestFrames.Tcp(seq, 500, TcpFlags.Ack, payload);

    [Fact]
    public void Held_frames_leave_at_the_commit_and_not_at_the_capture()
    {
        using var world = new ComparerWorld();
        world.P(Data(1, 1));
        world.Capture();
        world.P(Data(2, 2));
        Assert.Equal(0, world.ReleasedCount);
        world.Commit();
        Assert.Equal((ReleasePermit.Committed, 0L), (world.Sink.Released[0].Permit, world.Sink.Released[0].Epoch.Number));
        Assert.Single(world.Sink.Released);
    }

    [Fact]
    public void Frames_of_different_epochs_never_match()
    {
        using var world = new ComparerWorld();
        world.Capture();
        world.P(Data(1, 1));
        world.S(Data(1, 1));
        world.Comparer.CheckpointCommitted(world.PrimaryEpoch, world.Now);
        Assert.Equal(0, world.ReleasedCount);
        world.SecondaryEpoch = world.PrimaryEpoch;
        world.S(Data(1, 1));
        Assert.Equal(ReleasePermit.Matched, Assert.Single(world.Sink.Released).Permit);
    }

    [Fact]
    public void Frames_of_the_epoch_before_still_match_while_the_checkpoint_is_in_flight()
    {
        using var world = new ComparerWorld();
        world.P(Data(1, 1));
        world.Capture();
        world.S(Data(1, 1));
        Assert.Equal(ReleasePermit.Matched, Assert.Single(world.Sink.Released).Permit);
    }

    [Fact]
    public void What_the_new_epoch_made_waits_until_the_commit_is_known()
    {
        using var world = new ComparerWorld();
        world.Capture();
        world.P(Data(1, 1));
        world.SecondaryEpoch = world.PrimaryEpoch;
        world.S(Data(1, 1));
        Assert.Equal(0, world.ReleasedCount);
        world.Commit();
        Assert.Equal(ReleasePermit.Matched, Assert.Single(world.Sink.Released).Permit);
    }

    [Fact]
    public void The_image_counts_as_having_received_what_the_primary_had_acknowledged()
    {
        using var world = new ComparerWorld();
        world.P(TestFrames.Tcp(1, 900, TcpFlags.Ack, [1]));
        world.Checkpoint();
        world.P(TestFrames.Tcp(2, 900, TcpFlags.Ack, []));
        Assert.Equal(2, world.ReleasedCount);
        world.P(TestFrames.Tcp(2, 901, TcpFlags.Ack, []));
        Assert.Equal(2, world.ReleasedCount);
    }

    [Fact]
    public void What_the_secondary_acknowledged_before_the_load_counts_no_more()
    {
        using var world = new ComparerWorld();
        world.S(TestFrames.Tcp(1, 950, TcpFlags.Ack, []));
        world.P(TestFrames.Tcp(1, 900, TcpFlags.Ack, []));
        world.Checkpoint();
        world.P(TestFrames.Tcp(1, 950, TcpFlags.Ack, []));
        Assert.Equal(1, world.ReleasedCount);
        world.S(TestFrames.Tcp(1, 950, TcpFlags.Ack, []));
        Assert.Equal(2, world.ReleasedCount);
    }

    [Fact]
    public void A_difference_is_forgotten_with_the_commit()
    {
        using var world = new ComparerWorld();
        world.P(Data(1, 1));
        world.S(Data(1, 2));
        world.Checkpoint();
        Assert.Equal(1, world.ReleasedCount);
        world.P(Data(2, 3));
        world.S(Data(2, 3));
        Assert.Equal(2, world.ReleasedCount);
        world.P(Data(3, 1));
        world.S(Data(3, 2));
        Assert.Equal([CheckpointReason.Mismatch, CheckpointReason.Mismatch], world.Sink.Requests);
    }

    [Fact]
    public void A_burst_of_differences_asks_once_and_a_checkpoint_in_flight_answers_all()
    {
        using var world = new ComparerWorld();
        for (var port = 1; port <= 50; port++)
        {
            world.P(TestFrames.Tcp(1, 1, TcpFlags.Ack, [1], port));
            world.S(TestFrames.Tcp(1, 1, TcpFlags.Ack, [2], port));
        }
        Assert.Single(world.Sink.Requests);
        world.Capture();
        for (var port = 51; port <= 60; port++)
        {
            world.P(TestFrames.Tcp(1, 1, TcpFlags.Ack, [1], port));
            world.S(TestFrames.Tcp(1, 1, TcpFlags.Ack, [2], port));
        }
        world.Wait(5000);
        Assert.Single(world.Sink.Requests);
        world.Commit();
        Assert.Equal(50, world.ReleasedCount);
    }

    [Theory]
    [InlineData(true, 200)]
    [InlineData(false, 2000)]
    public void Frames_of_either_side_alone_age_and_those_that_nobody_waits_for_later(bool isPrimary, int milliseconds)
    {
        using var world = new ComparerWorld();
        if (isPrimary)
        {
            world.P(Data(1, 1));
        }
        else
        {
            world.S(Data(1, 1));
        }
        world.Wait(milliseconds);
        Assert.Empty(world.Sink.Requests);
        world.Wait(1);
        Assert.Equal([CheckpointReason.Timeout], world.Sink.Requests);
    }

    [Fact]
    public void A_frame_of_the_primary_behind_what_the_secondary_sent_ahead_keeps_its_own_age()
    {
        using var world = new ComparerWorld();
        world.S(Data(1, 1));
        world.Wait(1000);
        world.P(Data(2, 1));
        world.Wait(200);
        Assert.Empty(world.Sink.Requests);
        world.Wait(1);
        Assert.Equal([CheckpointReason.Timeout], world.Sink.Requests);
    }

    [Fact]
    public void Age_counts_from_the_commit()
    {
        using var world = new ComparerWorld();
        world.Capture();
        world.P(Data(1, 1));
        world.Wait(5000);
        world.Commit();
        world.Wait(150);
        Assert.Empty(world.Sink.Requests);
        world.Wait(100);
        Assert.Equal([CheckpointReason.Timeout], world.Sink.Requests);
    }

    [Fact]
    public void A_full_queue_asks_for_a_checkpoint_and_loses_nothing()
    {
        using var world = new ComparerWorld(new ComparerOptions { QueueFramesMax = 16 });
        for (var i = 0u; i < 100; i++)
        {
            world.P(Data(i, (byte)i));
        }
        Assert.Equal([CheckpointReason.Overflow], world.Sink.Requests);
        world.Checkpoint();
        Assert.Equal(Enumerable.Range(0, 100).Select(i => (uint)i), world.Sink.Released.Select(r => FrameView.Parse(r.Frame).Sequence.Value));
    }

    [Fact]
    public void At_the_memory_bound_the_caller_keeps_the_primarys_frame_and_the_secondarys_is_dropped()
    {
        using var world = new ComparerWorld(new ComparerOptions { HeldBytesMax = 4 * StreamFraming.MaxPayloadBytes });
        var accepted = 0u;
        while (world.P(Data(accepted, 1)))
        {
            accepted++;
        }
        Assert.True(world.Comparer.Saturated);
        Assert.True(world.Comparer.HeldBytes <= world.Options.HeldBytesMax);
        world.S(TestFrames.Udp([1]));
        Assert.Contains((ReplicaSide.Secondary, DropReason.Overflow), world.Sink.Drops);
        Assert.Equal([CheckpointReason.Overflow], world.Sink.Requests);
        world.Checkpoint();
        Assert.Equal((int)accepted, world.ReleasedCount);
        Assert.False(world.Comparer.Saturated);
        Assert.True(world.P(Data(accepted, 1)));
    }

    [Fact]
    public void A_full_table_forgets_idle_connections_and_never_frames()
    {
        using var world = new ComparerWorld(new ComparerOptions { ConnectionsMax = 4 });
        for (var port = 1; port <= 4; port++)
        {
            world.P(TestFrames.Tcp(1, 1, TcpFlags.Ack, [1], port));
        }
        world.P(TestFrames.Tcp(1, 1, TcpFlags.Ack, [1], 5));
        world.P(TestFrames.Tcp(2, 1, TcpFlags.Ack, [1], 5));
        Assert.Equal([CheckpointReason.Overflow], world.Sink.Requests);
        world.Checkpoint();
        Assert.Equal(6, world.ReleasedCount);
        for (var port = 10; port <= 30; port++)
        {
            world.P(TestFrames.Tcp(1, 1, TcpFlags.Ack, [1], port));
            world.S(TestFrames.Tcp(1, 1, TcpFlags.Ack, [1], port));
        }
        Assert.Equal(27, world.ReleasedCount);
        Assert.Equal(4, world.Comparer.ConnectionCount);
    }

    [Fact]
    public void An_output_that_is_full_delays_and_loses_nothing()
    {
        using var world = new ComparerWorld();
        world.Sink.Room = 1;
        for (var i = 0u; i < 5; i++)
        {
            world.P(Data(i, 1));
            world.S(Data(i, 1));
        }
        Assert.Equal(1, world.ReleasedCount);
        world.Sink.Room = int.MaxValue;
        world.Comparer.OutputReady();
        Assert.Equal([0u, 1, 2, 3, 4], world.Sink.Released.Select(r => FrameView.Parse(r.Frame).Sequence.Value));
        Assert.All(world.Sink.Released, r => Assert.Equal(ReleasePermit.Matched, r.Permit));
    }

    [Fact]
    public void Solo_releases_what_waits_and_what_comes_and_pair_holds_again()
    {
        using var world = new ComparerWorld();
        world.P(Data(1, 1));
        world.S(Data(9, 1));
        world.Comparer.GoSolo();
        world.P(Data(2, 1));
        world.S(Data(2, 1));
        Assert.Equal([ReleasePermit.Solo, ReleasePermit.Solo], world.Sink.Released.Select(r => r.Permit));
        var joined = world.PrimaryEpoch.Next;
        world.Comparer.EnterPair(joined);
        Assert.True(world.Pool.TryCopy(Data(3, 1), FrameOwner.Reader, out var frame));
        Assert.True(world.Comparer.Primary(frame, joined, world.Now));
        Assert.Equal(2, world.ReleasedCount);
        world.Comparer.CheckpointCommitted(joined, world.Now);
        Assert.Equal(2, world.ReleasedCount);
        world.SecondaryEpoch = joined;
        world.S(Data(3, 1));
        Assert.Equal(ReleasePermit.Matched, world.Sink.Released[2].Permit);
    }

    [Fact]
    public void A_difference_of_the_last_pair_is_none_of_the_next_one()
    {
        using var world = new ComparerWorld();
        world.P(TestFrames.Tcp(1, 500, TcpFlags.Ack, [1]));
        world.S(TestFrames.Tcp(1, 500, TcpFlags.Ack, [2]));
        Assert.Equal([CheckpointReason.Mismatch], world.Sink.Requests);
        world.Comparer.GoSolo();
        var joined = world.PrimaryEpoch.Next;
        world.Comparer.EnterPair(joined);
        world.Comparer.CheckpointCommitted(joined, world.Now);
        Assert.True(world.Pool.TryCopy(Data(2, 1), FrameOwner.Reader, out var frame));
        Assert.True(world.Comparer.Primary(frame, joined, world.Now));
        world.SecondaryEpoch = joined;
        world.S(Data(2, 1));
        Assert.Equal([ReleasePermit.Solo, ReleasePermit.Matched], world.Sink.Released.Select(r => r.Permit));
    }

    [Fact]
    public void An_image_vouches_for_its_acknowledgements_only_until_they_are_half_the_number_space_away()
    {
        const uint image = 500;
        using var world = new ComparerWorld();
        world.P(TestFrames.Tcp(1, image, TcpFlags.Ack, [1]));
        world.Checkpoint();
        uint sequence = 2;
        foreach (uint acknowledgement in (uint[])[image, image + 0x2000_0000, image + 0x4000_0000, image + 0x6000_0000])
        {
            world.P(TestFrames.Tcp(sequence, acknowledgement, TcpFlags.Ack, [1]));
            world.S(TestFrames.Tcp(sequence, acknowledgement, TcpFlags.Ack, [1]));
            sequence++;
        }
        Assert.Equal(5, world.ReleasedCount);

        // The secondary has sent the same byte, and acknowledged nothing since.
        world.P(TestFrames.Tcp(sequence, image + 0x9000_0000, TcpFlags.Ack, [1]));
        world.S(TestFrames.Tcp(sequence, image + 0x6000_0000, TcpFlags.Ack, [1]));
        Assert.Equal(5, world.ReleasedCount);
        world.S(TestFrames.Tcp(sequence, image + 0x9000_0000, TcpFlags.Ack, [1]));
        Assert.Equal(6, world.ReleasedCount);
    }

    [Fact]
    public void A_lost_term_releases_nothing_for_ever()
    {
        using var world = new ComparerWorld();
        world.P(Data(1, 1));
        world.Comparer.StopReleasing();
        world.P(Data(2, 1));
        world.S(Data(2, 1));
        world.Comparer.GoSolo();
        world.Comparer.OutputReady();
        Assert.Equal(0, world.ReleasedCount);
        Assert.Contains((ReplicaSide.Primary, DropReason.TermLost), world.Sink.Drops);
    }

    [Fact]
    public void An_abandoned_checkpoint_is_asked_for_again()
    {
        using var world = new ComparerWorld();
        world.P(Data(1, 1));
        world.Capture();
        world.P(Data(2, 1));
        world.Comparer.CheckpointAbandoned(world.PrimaryEpoch);
        world.Comparer.CheckpointAbandoned(world.PrimaryEpoch);
        Assert.Equal([CheckpointReason.Abandoned], world.Sink.Requests);
        world.Checkpoint();
        Assert.Equal(2, world.ReleasedCount);
    }
}
