using Colo.Vmm.Links;

namespace Colo.Vmm.Tests.Links;

public sealed class TaggedFrameWriterTests
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);
    private readonly Gate stream = new();

    [Fact]
    public void With_room_the_caller_writes_what_has_gathered_at_once()
    {
        using var writer = new TaggedFrameWriter(stream, 1 << 16, _ => { }, () => true);
        writer.TryWrite(0, 1, new byte[10]);
        writer.TryWrite(0, 1, new byte[10]);
        Assert.Empty(stream.Writes);
        writer.Flush();
        Assert.Equal([(2 * (TaggedFrameWriter.HeadLength + 10), Environment.CurrentManagedThreadId)], stream.Writes);
    }

    [Fact]
    public async Task Without_room_another_thread_writes()
    {
        using var writer = new TaggedFrameWriter(stream, 1 << 16, _ => { }, () => false);
        writer.TryWrite(0, 1, new byte[10]);
        writer.Flush();
        await stream.Written.WaitAsync(Hang);
        Assert.NotEqual(Environment.CurrentManagedThreadId, Assert.Single(stream.Writes).Thread);
    }

    [Fact]
    public async Task What_comes_while_somebody_writes_is_sent_after_it_and_nobody_waits()
    {
        using var writer = new TaggedFrameWriter(stream, 1 << 16, _ => { }, () => true);
        stream.Open.Reset();
        writer.TryWrite(0, 1, new byte[10]);
        Task first = Task.Factory.StartNew(
            writer.Flush, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await stream.Entered.WaitAsync(Hang);
        writer.TryWrite(0, 1, new byte[20]);
        writer.Flush();
        Assert.Empty(stream.Writes);
        stream.Open.Set();
        await first.WaitAsync(Hang);
        await stream.Written.WaitAsync(Hang);
        await stream.Written.WaitAsync(Hang);
        Assert.Equal([10, 20], stream.Writes.Select(write => write.Length - TaggedFrameWriter.HeadLength));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_broken_link_is_told_once_and_takes_no_more(bool hasRoom)
    {
        var told = new SemaphoreSlim(0);
        stream.Fails = true;
        using var writer = new TaggedFrameWriter(stream, 1 << 16, _ => told.Release(), () => hasRoom);
        writer.TryWrite(0, 1, new byte[10]);
        writer.Flush();
        Assert.True(await told.WaitAsync(Hang));
        Assert.False(writer.TryWrite(0, 1, new byte[10]));
        writer.Flush();
        Assert.Equal(0, told.CurrentCount);
    }

    private sealed class Gate : MemoryStream
    {
        public List<(int Length, int Thread)> Writes { get; } = [];

        public ManualResetEventSlim Open { get; } = new(true);

        public SemaphoreSlim Entered { get; } = new(0);

        public SemaphoreSlim Written { get; } = new(0);

        public bool Fails { get; set; }

        public override void Write(byte[] buffer, int offset, int count)
        {
            Entered.Release();
            Open.Wait(Hang);
            if (Fails)
            {
                throw new IOException("the link is broken");
            }

            lock (Writes)
            {
                Writes.Add((count, Environment.CurrentManagedThreadId));
            }

            Written.Release();
        }
    }
}
