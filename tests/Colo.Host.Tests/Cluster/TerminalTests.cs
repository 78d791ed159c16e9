using Colo.Actors.Protocol;
using Colo.EndToEnd.Machine;

namespace Colo.Host.Tests.Cluster;

/// <summary>The guest's console on a person's terminal.</summary>
public sealed class TerminalTests
{
    [Fact]
    [Trait("Category", "e2e")]
    public async Task Keys_reach_the_guest_one_by_one_until_the_escape_key_leaves()
    {
        await using var cluster = new LoopbackCluster(["node-a"], LoopbackCluster.Vm("web", "node-a"));
        await cluster.StartAsync();
        LoopbackNode a = cluster["node-a"];
        await a.WhenAsync("web", EventCode.GuestRunning);
        var typed = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        Colo.Host.Node.SerialConsole console = a.Runtime.Find("web")!.Console;
        console.Input = keys =>
        {
            typed.TrySetResult(keys.ToArray());
            return keys.Length;
        };
        console.Write("the guest speaks"u8);
        using var terminal = new TerminalProcess(
            Path.Combine(AppContext.BaseDirectory, "colo"), "console", "web", "--url", a.Url);
        terminal.WaitFor("the guest speaks");
        terminal.Type("k");
        byte[] first = await typed.Task.WaitAsync(TimeSpan.FromMinutes(2));
        Assert.Equal((byte)'k', Assert.Single(first));
        terminal.Type("\u0001x");
        terminal.RequireEnd(0);
    }
}
