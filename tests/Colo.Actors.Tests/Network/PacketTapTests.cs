using Colo.Actors.Arbiter;
using Colo.Actors.Network;
using Colo.Actors.Protocol;
using Colo.Actors.Vm.Embedded;
using Colo.Vmm.Net;

namespace Colo.Actors.Tests.Network;

/// <summary>What an operator hears of a comparer, and what it costs the comparer when nobody listens.</summary>
public sealed class PacketTapTests : IDisposable
{
    private static readonly TimeSpan HangBound = TimeSpan.FromSeconds(60);

    private readonly HostIdentity self = new(new HostId("a"), new Incarnation(1));
    private readonly GuestNetwork network;
    private readonly FramePipe replica = new();

    public PacketTapTests()
    {
        var lan = new LanPort("", "", [2, 0, 0, 0, 0, 1], _ => { });
        // Nothing is late, however slow the machine.
        var patient = new ComparerOptions { CompareTimeout = TimeSpan.FromHours(1) };
        network = new GuestNetwork(self, [lan], patient, _ => { }, TimeProvider.System);
    }

    public void Dispose()
    {
        replica.Dispose();
        network.Dispose();
        replica.Reader.Dispose();
    }

    [Fact]
    public async Task A_mismatch_names_the_connection_the_first_byte_and_both_values()
    {
        network.StartPrimary(this, Stream.Null, replica.Reader, () => { });
        using TapListener listener = network.Tap.Listen(mismatchesOnly: false);
        network.Ports[0].Send(Udp("good morning"));
        Assert.True(replica.Writer.TryWrite(0, 0, Udp("good evening")));
        replica.Writer.Flush();
        TapEntry held = await NextAsync(listener);
        Assert.Equal((TapWord.Held, TapReason.AwaitsSecondary), (held.Word, held.Reason));
        TapEntry differs = await NextAsync(listener);
        Assert.Equal((TapWord.Mismatch, TapReason.Payload), (differs.Word, differs.Reason));
        Assert.Equal("udp 10.0.0.5:53 -> 10.0.0.9:4000", differs.Connection);
        Assert.Equal(('m', 'e'), ((char)differs.PrimaryByte!, (char)differs.SecondaryByte!));
        Assert.Contains(Convert.ToHexStringLower("morning"u8), differs.PrimaryPayload, StringComparison.Ordinal);
        Assert.Contains(Convert.ToHexStringLower("evening"u8), differs.SecondaryPayload, StringComparison.Ordinal);
        TapEntry asked = await NextAsync(listener);
        Assert.Equal((TapWord.CheckpointAsked, TapReason.Mismatch), (asked.Word, asked.Reason));

        // Kept for who asks later, and without the customer's data unless that is wanted.
        TapEntry kept = Assert.Single(network.Tap.Mismatches);
        Assert.Equal(differs, kept);
        Assert.Null(kept.WithoutPayload().PrimaryPayload);
        ConnectionPosition position = Assert.Single(network.Positions(10));
        Assert.True(position.HasDiffered);
        Assert.Equal((1, 1), (position.Held, position.SecondaryWaiting));
    }

    [Fact]
    public async Task Frames_are_told_only_while_somebody_listens()
    {
        network.OpenSolo(new ArbiterRecord(new VmId("vm"), new Term(2), self, null));
        network.Ports[0].Send(Udp("unheard"));
        using (TapListener listener = network.Tap.Listen(mismatchesOnly: false))
        {
            network.Ports[0].Send(Udp("heard"));
            TapEntry only = await NextAsync(listener);
            Assert.Equal((TapWord.Released, TapReason.Solo), (only.Word, only.Reason));
            Assert.Equal(1, only.Id);
            Assert.False(listener.Entries.TryRead(out _));
        }

        Assert.False(network.Tap.IsHeard);
        Assert.Empty(network.Tap.Mismatches);
    }

    [Fact]
    public void A_slow_listener_loses_the_newest_and_is_told_how_many()
    {
        network.OpenSolo(new ArbiterRecord(new VmId("vm"), new Term(2), self, null));
        using TapListener listener = network.Tap.Listen(mismatchesOnly: false);
        using TapListener other = network.Tap.Listen(mismatchesOnly: true);
        for (int frame = 0; frame < PacketTap.BacklogMax + 10; frame++)
        {
            network.Ports[0].Send(Udp("x"));
        }

        Assert.Equal(10, listener.Missed);
        Assert.Equal(PacketTap.BacklogMax, listener.Entries.Count);
        Assert.Equal((0, 0), (other.Missed, other.Entries.Count));
    }

    [Fact]
    public void The_list_of_mismatches_is_bounded_and_has_the_newest_first()
    {
        for (int number = 0; number < PacketTap.MismatchesMax + 5; number++)
        {
            network.Tap.Overdue(number, default, default);
        }

        Assert.Equal(PacketTap.MismatchesMax, network.Tap.Mismatches.Count);
        Assert.Equal(PacketTap.MismatchesMax + 4, network.Tap.Mismatches[0].Nic);
        Assert.Equal(5, network.Tap.Mismatches[^1].Nic);
    }

    private static async Task<TapEntry> NextAsync(TapListener listener)
    {
        using var late = new CancellationTokenSource(HangBound);
        return await listener.Entries.ReadAsync(late.Token);
    }

    /// <summary>A datagram from the guest's port 53 to a client.</summary>
    private static byte[] Udp(string text)
    {
        byte[] payload = System.Text.Encoding.ASCII.GetBytes(text);
        int length = 28 + payload.Length;
        return
        [
            2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0,
            0x45, 0, (byte)(length >> 8), (byte)length, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 5, 10, 0, 0, 9,
            0, 53, 0x0F, 0xA0, 0, (byte)(8 + payload.Length), 0, 0, .. payload,
        ];
    }
}
