using Colo.Vmm.Checkpoint.Primary;

namespace Colo.Vmm.Tests.Checkpoint;

/// <summary>Counts what the whole process allocates, because a checkpoint has threads: nothing else may run
/// meanwhile.</summary>
[Collection(nameof(RunsAlone))]
public sealed class CheckpointAllocationTests
{
    [Fact]
    public void Pages_cost_no_allocation_on_either_side_in_steady_state()
    {
        using var pair = new CheckpointPair(pages: 4096, channels: 2) { CompareOnLoad = false };
        pair.StartAsReplica();
        var bytes = new byte[16];
        void Epoch(ulong epoch, int pages)
        {
            for (var page = 0; page < pages; page++)
            {
                BitConverter.TryWriteBytes(bytes, epoch * 77 + (ulong)page);
                pair.Primary.Ram.TryWrite(FakeMachine.Base + (ulong)page * 4096 + 64, bytes);
                pair.Secondary.Ram.TryWrite(FakeMachine.Base + (ulong)page * 4096 + 64, bytes);
            }

            Assert.Equal(CheckpointStatus.Loaded, pair.Run(epoch).Status);
        }

        for (ulong epoch = 1; epoch <= 4; epoch++)
        {
            Epoch(epoch, 1000);
        }

        // The best of some rounds: the runner itself may still be telling of tests that are over, while what a page
        // costs it costs in every round.
        const int rounds = 5;
        const ulong epochs = 10;
        var least = long.MaxValue;
        for (ulong round = 0; round < rounds; round++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (ulong epoch = 1; epoch <= epochs; epoch++)
            {
                Epoch(4 + (round * epochs) + epoch, 1000);
            }

            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        var perCheckpoint = least / (long)epochs;

        // 1000 pages, 4 MB: what is left is a handful of small objects for the checkpoint itself and for the test.
        Assert.InRange(perCheckpoint, 0, 16 * 1024);
    }

    [Fact]
    public void The_secondary_needs_a_quarter_of_RAM_beside_it_when_both_wrote_the_same_quarter()
    {
        using var pair = new CheckpointPair(pages: 4096);
        pair.StartAsReplica(bootSteps: 0);
        var page = new byte[4096];
        for (ulong epoch = 1; epoch <= 3; epoch++)
        {
            for (var i = 0; i < 1024; i++)
            {
                Random.Shared.NextBytes(page);
                pair.Primary.WriteAt(i * 4096 * 4, page);
                pair.Secondary.WriteAt(i * 4096 * 4, page);
            }

            Assert.Equal(CheckpointStatus.Loaded, pair.Run(epoch).Status);
        }

        Assert.Equal(0, pair.Mismatches);
        Assert.InRange(pair.Receiver.ExtraMemoryBytesPeak, 1024 * 4096, 1024 * 4096 + (1 << 20));
    }
}
