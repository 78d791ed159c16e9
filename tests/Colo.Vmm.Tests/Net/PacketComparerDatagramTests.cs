using Colo.Vmm.Net;

namespace Colo.Vmm.Tests.Net;

public sealed class PacketComparerDatagramTests
{
    [Fact]
    public void Udp_matches_by_payload_in_order()
    {
        using var world = new ComparerWorld();
        world.P(TestFrames.Udp([1], ipId: 4, padTo: 80));
        world.P(TestFrames.Udp([2]));
        world.S(TestFrames.Udp([1], ipId: 5));
        world.S(TestFrames.Udp([2]));
        Assert.Equal(2, world.ReleasedCount);
        world.P(TestFrames.Udp([3]));
        world.P(TestFrames.Udp([4]));
        world.S(TestFrames.Udp([4]));
        Assert.Equal(2, world.ReleasedCount);
        Assert.Equal([CheckpointReason.Mismatch], world.Sink.Requests);
        world.Checkpoint();
        Assert.Equal([3, 4], world.Sink.Released.Skip(2).Select(r => (int)r.Frame[^1]));
    }

    [Fact]
    public void Length_differences_are_named()
    {
        using var world = new ComparerWorld();
        world.P(TestFrames.Udp([1, 2]));
        world.S(TestFrames.Udp([1]));
        Assert.Contains("length: primary 10, secondary 9", Assert.Single(world.Sink.Differences), StringComparison.Ordinal);
    }

    [Fact]
    public void Icmp_echoes_match_by_identifier()
    {
        using var world = new ComparerWorld();
        world.P(TestFrames.Icmp(0, 1, [1]));
        world.S(TestFrames.Icmp(0, 2, [2]));
        world.S(TestFrames.Icmp(0, 1, [1], ipId: 77));
        world.P(TestFrames.Icmp(0, 2, [2]));
        Assert.Equal(2, world.ReleasedCount);
    }

    [Fact]
    public void Fragmented_datagrams_are_compared_as_a_whole_whatever_their_ids_and_sizes()
    {
        using var world = new ComparerWorld();
        var payload = new byte[500];
        new Random(3).NextBytes(payload);
        var datagram = TestFrames.Udp(payload);
        var mine = TestFrames.Fragment(datagram, 200, 11);
        foreach (var fragment in mine)
        {
            world.P(fragment);
        }
        Assert.Equal(0, world.ReleasedCount);
        var theirs = TestFrames.Fragment(datagram, 104, 99);
        theirs.Reverse();
        foreach (var fragment in theirs)
        {
            world.S(fragment);
        }
        Assert.Equal(mine, world.Sink.Released.Select(r => r.Frame));
        Assert.Equal(0, world.Pool.OutstandingCount);
    }

    [Fact]
    public void A_fragmented_answer_matches_a_whole_one()
    {
        using var world = new ComparerWorld();
        var datagram = TestFrames.Udp(new byte[300]);
        world.S(datagram);
        TestFrames.Fragment(datagram, 96, 1).ForEach(f => world.P(f));
        Assert.Equal(4, world.ReleasedCount);
    }

    [Theory]
    [InlineData("incomplete")]
    [InlineData("overlap")]
    public void Fragments_that_never_make_a_whole_wait_for_a_commit(string kind)
    {
        using var world = new ComparerWorld();
        var fragments = TestFrames.Fragment(TestFrames.Udp(new byte[300]), 96, 1);
        List<byte[]> sent = kind == "overlap" ? [fragments[0], fragments[0], .. fragments[1..]] : fragments[..2];
        sent.ForEach(f => world.P(f));
        sent.ForEach(world.S);
        world.Wait(201);
        Assert.Equal([CheckpointReason.Timeout], world.Sink.Requests);
        Assert.Equal(0, world.ReleasedCount);
        world.Checkpoint();
        Assert.Equal(sent, world.Sink.Released.Select(r => r.Frame));
    }

    [Fact]
    public void A_full_output_between_two_fragments_repeats_none()
    {
        using var world = new ComparerWorld();
        var fragments = TestFrames.Fragment(TestFrames.Udp(new byte[300]), 96, 1);
        world.Sink.Room = 2;
        fragments.ForEach(f => world.P(f));
        fragments.ForEach(world.S);
        Assert.Equal(2, world.ReleasedCount);
        world.Sink.Room = 100;
        world.Comparer.OutputReady();
        Assert.Equal(fragments, world.Sink.Released.Select(r => r.Frame));
    }

    [Fact]
    public void Arp_is_held_until_it_matches_and_may_then_be_repeated()
    {
        using var world = new ComparerWorld();
        var request = TestFrames.Arp(TestFrames.Guest, TestFrames.Client);
        world.P(request);
        Assert.Equal(0, world.ReleasedCount);
        world.S(request);
        Assert.Equal(1, world.ReleasedCount);
        world.P(request);
        Assert.Equal(2, world.ReleasedCount);
        world.S(request);
        world.Wait(1000);
        Assert.Empty(world.Sink.Requests);
        Assert.Equal(0, world.Pool.OutstandingCount);
    }

    [Fact]
    public void Arp_that_only_the_primary_sends_waits_for_a_commit()
    {
        using var world = new ComparerWorld();
        world.P(TestFrames.Arp(TestFrames.Guest, 5));
        world.Wait(201);
        Assert.Equal([CheckpointReason.Timeout], world.Sink.Requests);
        world.Checkpoint();
        Assert.Equal(ReleasePermit.Committed, Assert.Single(world.Sink.Released).Permit);
    }

    [Fact]
    public void Unknown_and_malformed_frames_match_on_all_bytes_and_wait_otherwise()
    {
        using var world = new ComparerWorld();
        world.P(TestFrames.Unknown(1));
        world.S(TestFrames.Unknown(1));
        Assert.Equal(1, world.ReleasedCount);
        world.P(TestFrames.Unknown(2));
        world.S(TestFrames.Unknown(3));
        byte[] cut = TestFrames.Tcp(1, 2, TcpFlags.Ack, [1, 2, 3])[..40];
        world.P(cut);
        world.P([1, 2, 3]);
        Assert.Equal(1, world.ReleasedCount);
        world.S([1, 2, 3]);
        Assert.Equal(2, world.ReleasedCount);
        world.Wait(201);
        world.Checkpoint();
        Assert.Equal(4, world.ReleasedCount);
    }

    [Fact]
    public void Listed_flows_pass_without_comparing()
    {
        using var world = new ComparerWorld(new ComparerOptions { PassThrough = [new PassThroughRule { Protocol = 17, GuestPort = 123 }] });
        world.P(TestFrames.Udp([1], sourcePort: 123));
        world.S(TestFrames.Udp([2], sourcePort: 123));
        world.P(TestFrames.Udp([1], sourcePort: 124));
        Assert.Equal(ReleasePermit.PassThrough, Assert.Single(world.Sink.Released).Permit);
        Assert.Contains((ReplicaSide.Secondary, DropReason.PassThrough), world.Sink.Drops);
    }
}
