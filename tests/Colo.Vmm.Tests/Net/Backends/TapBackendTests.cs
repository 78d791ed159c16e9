using Colo.Vmm.Net.Backends;

namespace Colo.Vmm.Tests.Net.Backends;

public sealed class TapBackendTests
{
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task An_interface_that_is_deleted_is_told_once_and_its_thread_ends()
    {
        string name = $"colo{Environment.ProcessId % 100_000}l";
        using var tap = new TapBackend(name);
        var lost = new TaskCompletionSource<Thread>(TaskCreationOptions.RunContinuationsAsynchronously);
        var times = 0;
        tap.Lost = () =>
        {
            Interlocked.Increment(ref times);
            lost.TrySetResult(Thread.CurrentThread);
        };
        Assert.Null(tap.TrySetUp(true));
        TestTap.Ip($"link del {name}");
        var reader = await lost.Task.WaitAsync(Hang);
        Assert.True(reader.Join(Hang));
        Assert.Equal(1, times);
        tap.Send(TestFrames.Unknown(1));
        Assert.Equal(1, tap.Metrics.FramesDropped);
    }
}
