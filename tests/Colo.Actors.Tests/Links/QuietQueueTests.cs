using Colo.Actors.Links;

namespace Colo.Actors.Tests.Links;

public sealed class QuietQueueTests
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Who_waits_gets_what_comes_in_its_order()
    {
        var queue = new QuietQueue<int>();
        Task<List<int>> taking = OnThread(() =>
        {
            List<int> taken = [];
            while (queue.TryTake(out int item, wait: null))
            {
                taken.Add(item);
            }

            return taken;
        });
        for (int i = 0; i < 1000; i++)
        {
            Assert.True(queue.Add(i));
        }

        queue.Complete();
        Assert.Equal(Enumerable.Range(0, 1000), await taking.WaitAsync(Hang));
        Assert.True(queue.IsCompleted);
    }

    [Fact]
    public async Task A_full_queue_refuses_or_makes_wait()
    {
        var queue = new QuietQueue<int>(2);
        Assert.True(queue.TryAdd(1));
        Assert.True(queue.TryAdd(2));
        Assert.False(queue.TryAdd(3));
        Task<bool> adding = OnThread(() => queue.Add(4));
        Assert.True(queue.TryTake(out int first, Hang));
        Assert.True(await adding.WaitAsync(Hang));
        Assert.Equal((1, 2), (first, queue.Count));
    }

    [Fact]
    public void Nothing_comes_when_the_time_is_over()
    {
        var queue = new QuietQueue<int>();
        Assert.False(queue.TryTake(out _, TimeSpan.Zero));
        Assert.False(queue.TryTake(out _, TimeSpan.FromMilliseconds(0.3)));
    }

    [Fact]
    public async Task A_completed_queue_ends_every_wait_and_gives_out_what_it_has()
    {
        var queue = new QuietQueue<int>(1);
        queue.Add(1);
        Task<bool> adding = OnThread(() => queue.Add(2));
        queue.Complete();
        Assert.False(await adding.WaitAsync(Hang));
        Assert.True(queue.IsAddingCompleted);
        Assert.False(queue.IsCompleted);
        Assert.True(queue.TryTake(out int left, wait: null));
        Assert.Equal(1, left);
        Assert.False(queue.TryTake(out _, wait: null));
    }

    private static Task<T> OnThread<T>(Func<T> work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
