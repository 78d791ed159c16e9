using System.Globalization;
using System.Text.RegularExpressions;
using Colo.EndToEnd.Machine;
using Colo.Vmm.Checkpoint.Primary;
using Colo.Vmm.Machine;
using Colo.Vmm.Tests.Checkpoint;
using Xunit.Abstractions;

namespace Colo.EndToEnd.Checkpoint;

/// <summary>A stock Debian guest, protected while it runs, goes on in the secondary machine when the primary is
/// killed.</summary>
[Trait("Category", "e2e")]
[Trait("Group", "guest")]
public partial class DebianPairTests(ITestOutputHelper output)
{
    private const int Checkpoints = 20;

    [Fact]
    public void Debian_goes_on_counting_in_the_secondary_when_the_primary_is_killed()
    {
        var first = new ConsoleRecorder();
        var second = new ConsoleRecorder();
        using var pair = new ReplicatedPairHarness(
            new VirtMachine(DebianGuest.Options(first, null)), new VirtMachine(DebianGuest.Options(second, null)), channels: 2);
        pair.Primary.Start();
        first.WaitFor("login:", DebianGuest.BootLimit);
        first.Type("root\n");
        first.WaitFor("# ", DebianGuest.BootLimit);
        first.Type("i=0; while sleep 0.2; do i=$((i+1)); echo tick $i; done\n");
        first.WaitFor("tick 3", DebianGuest.BootLimit);

        LiveStartReport start = pair.Protect();
        Assert.True(start.IsProtected, start.ToString());
        output.WriteLine($"live start: {start.Rounds} rounds, {start.Bytes} bytes, pause {start.Checkpoint!.PauseTime.TotalMicroseconds:N0} us");
        for (var i = 0; i < Checkpoints; i++)
        {
            int seen = LastTick(first);
            first.WaitFor($"tick {seen + 1}", DebianGuest.BootLimit);
            pair.SendAhead();
            CheckpointReport report = pair.Checkpoint();
            Assert.Equal(CheckpointStatus.Loaded, report.Status);
            output.WriteLine(
                $"checkpoint: pause {report.PauseTime.TotalMicroseconds:N0} us, send {report.SendTime.TotalMilliseconds:N1} ms, "
                + $"{report.DirtyPages} dirty, {report.Pages}, apply {pair.Receiver.LastApplyTime.TotalMilliseconds:N1} ms");
        }

        int last = LastTick(first);
        pair.KillPrimary();
        VirtMachine survivor = pair.TakeOver();

        Assert.Empty(pair.Errors);
        second.WaitFor($"tick {last + 10}", DebianGuest.BootLimit);
        second.Type("\x03");
        second.Type("echo still $((40+2)) here; uptime\n");
        second.WaitFor("still 42 here", DebianGuest.BootLimit);
        Assert.True(survivor.IsRunning);
    }

    private static int LastTick(ConsoleRecorder console)
    {
        MatchCollection ticks = Tick().Matches(console.Text);
        return int.Parse(ticks[^1].Groups[1].Value, CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"tick (\d+)\r")]
    private static partial Regex Tick();
}
