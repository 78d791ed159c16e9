using System.Diagnostics;
using Colo.Actors.Vm.Embedded;

namespace Colo.Actors.Tests.Vm;

public sealed class LanPortTests
{
    [Fact]
    public async Task A_deleted_interface_is_made_anew_and_the_card_stays_in_the_LAN()
    {
        string name = $"colo{Environment.ProcessId % 100_000}p";
        var told = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var port = new LanPort(name, "", [2, 0, 0, 0, 0, 1], text => told.TrySetResult(text));
        port.Attach();
        using (Process ip = Process.Start("ip", ["link", "del", name]))
        {
            await ip.WaitForExitAsync();
            Assert.Equal(0, ip.ExitCode);
        }

        string text = await told.Task.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Contains("made anew", text, StringComparison.Ordinal);
        Assert.True(port.IsAttached);
        Assert.True(Directory.Exists($"/sys/class/net/{name}"));
    }
}
