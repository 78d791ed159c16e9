namespace Colo.Vmm.Tests;

/// <summary>Asserts that something allocates nothing on the thread that runs it.</summary>
internal static class Allocations
{
    private const int Attempts = 5;

    /// <summary>
    /// The best of several rounds counts: a collection that falls into a round charges the thread with the rest of its
    /// allocation buffer, while what allocates does so in every round.
    /// </summary>
    public static void None(Action round)
    {
        var least = long.MaxValue;
        for (var attempt = 0; attempt < Attempts && least != 0; attempt++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            round();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
    }
}
