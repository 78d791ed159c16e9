using Akka.Remote.Serialization.Proto;
using Akka.Remote.Transport;

namespace Colo.Akka.Tests.EmbeddedOnly.Remote;

public class SystemDeliveryTests
{
    [Fact]
    public void Outbox_numbers_keeps_and_forgets_what_is_acknowledged()
    {
        var now = TimeSpan.Zero;
        var outbox = new SystemOutbox(3, () => now);
        var messages = Enumerable.Range(0, 3).Select(_ => new SystemEnvelope()).ToList();
        Assert.All(messages, message => Assert.True(outbox.TryAdd(message)));
        Assert.Equal([1UL, 2UL, 3UL], messages.Select(message => message.Number));
        Assert.False(outbox.TryAdd(new SystemEnvelope()));
        now = TimeSpan.FromSeconds(5);
        Assert.Equal(now, outbox.LongestWait);
        outbox.Acknowledge(2);
        Assert.Equal([3UL], outbox.Unacknowledged.Select(message => message.Number));
        outbox.Restart();
        Assert.True(outbox.IsEmpty);
        Assert.Equal(TimeSpan.Zero, outbox.LongestWait);
        var first = new SystemEnvelope();
        outbox.TryAdd(first);
        Assert.Equal(1UL, first.Number);
    }

    [Fact]
    public void Inbox_delivers_each_number_once_and_in_order()
    {
        var inbox = new SystemInbox();
        var delivered = new List<ulong>();
        ulong Receive(int uid, ulong number) => inbox.Receive(uid, number, () => delivered.Add(number));
        Assert.Equal(1UL, Receive(7, 1));
        Assert.Equal(1UL, Receive(7, 3));
        Assert.Equal(2UL, Receive(7, 2));
        Assert.Equal(2UL, Receive(7, 1));
        Assert.Equal(3UL, Receive(7, 3));
        Assert.Equal([1UL, 2UL, 3UL], delivered);
        Assert.Equal(1UL, Receive(8, 1));
        Assert.Equal([1UL, 2UL, 3UL, 1UL], delivered);
    }
}
