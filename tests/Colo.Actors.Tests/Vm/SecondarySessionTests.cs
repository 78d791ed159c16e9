using System.Buffers.Binary;
using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Protocol;

namespace Colo.Actors.Tests.Vm;

public sealed class SecondarySessionTests
{
    /// <summary>A hang, not a slow machine.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task A_session_that_ends_while_it_starts_leaves_the_network_to_the_next_owner()
    {
        await using var pair = new SessionPair(listens: false, spill: "/nowhere/staged");
        using var seen = new ManualResetEventSlim();
        Thread? starting = null;
        pair.Logged = line =>
        {
            if (line.Contains("spill file", StringComparison.Ordinal))
            {
                starting = Thread.CurrentThread; // between the receiver's making and its start
                pair.Secondary.Dispose();
                seen.Set();
            }
        };
        pair.Listen();
        Assert.True(seen.Wait(Hang));
        Assert.True(starting!.Join(Hang));
        Assert.False(pair.SecondaryNetwork.IsReplica);
    }

    [Fact]
    public async Task After_an_exchange_of_roles_only_what_was_written_since_is_sent_and_the_guest_keeps_its_own_state()
    {
        await using var pair = new SessionPair(listens: false, exchanged: true) { Commits = false };
        pair.PrimaryGuest.CollectFromHere();
        ulong address = pair.PrimaryGuest.Ram.BaseAddress + (1 << 20);
        pair.SecondaryGuest.Allow();
        Assert.False(pair.SecondaryGuest.Machine.IsRunning); // it stands at the image until that is kept
        pair.Listen();
        pair.PrimaryGuest.Forbid();
        pair.PrimaryGuest.Ram.TryWriteUInt32(address, 7);
        pair.PrimaryGuest.Allow();

        pair.Primary.TakeCheckpoint(new Epoch(1), resumeAfter: true);
        Assert.InRange(pair.Wait<StateCaptured>().PageCount, 1, 16);
        pair.Primary.CopyDisk(DiskCopyPlan.Nothing);
        pair.Wait<DiskCopyDone>(); // the first is discarded
        Assert.Equal(0u, Read(pair, address));

        pair.Commits = true;
        pair.Primary.TakeCheckpoint(new Epoch(2), resumeAfter: true);
        Assert.Equal(new Epoch(2), pair.Wait<ImageLoaded>().Epoch);
        Assert.Equal(7u, Read(pair, address));
        Assert.True(pair.SecondaryGuest.MayRun);
    }

    [Fact]
    public async Task After_an_exchange_of_roles_the_guest_goes_on_when_no_primary_comes()
    {
        await using var pair = new SessionPair(listens: false, exchanged: true);
        pair.SecondaryGuest.Allow();
        Assert.False(pair.SecondaryGuest.Machine.IsRunning);
        pair.Secondary.Dispose();
        Assert.True(pair.SecondaryGuest.Machine.IsRunning);
    }

    private static uint Read(SessionPair pair, ulong address)
    {
        int offset = (int)(address - pair.SecondaryGuest.Ram.BaseAddress);
        ReadOnlySpan<byte> page = pair.SecondaryGuest.Ram.ReadPage(offset / 4096);
        return BinaryPrimitives.ReadUInt32LittleEndian(page[(offset % 4096)..]);
    }
}
