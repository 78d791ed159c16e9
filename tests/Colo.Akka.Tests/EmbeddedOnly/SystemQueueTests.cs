using Akka.Dispatch;
using Akka.Dispatch.SysMsg;

namespace Colo.Akka.Tests.EmbeddedOnly;

public class SystemQueueTests
{
    private const int Producers = 4, Each = 250_000;

    private SystemQueue _queue;

    [Fact]
    public void Every_system_message_is_taken_once_and_in_the_order_of_its_sender()
    {
        var producers = Enumerable.Range(0, Producers).Select(number => Task.Factory.StartNew(
            () => Produce(number), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        var next = new int[Producers];
        var taken = 0;
        while (taken < Producers * Each)
        {
            // All that will ever come has come when this is seen before the queue is taken.
            var last = Array.TrueForAll(producers, producer => producer.IsCompleted);
            for (var node = _queue.TakeAll(); node is not null; node = node.Next)
            {
                var message = (Numbered)node.Message;
                Assert.Equal(next[message.Producer]++, message.Number);
                taken++;
            }

            Assert.True(!last || taken == Producers * Each, $"{Producers * Each - taken} of {Producers * Each} messages are lost");
        }

        Assert.True(_queue.IsEmpty);
    }

    private void Produce(int producer)
    {
        for (var number = 0; number < Each; number++)
        {
            _queue.Enqueue(new Numbered(producer, number));
        }
    }

    private sealed record Numbered(int Producer, int Number) : ISystemMessage;
}
