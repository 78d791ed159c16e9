using System.Text.Json;
using System.Text.Json.Nodes;
using Colo.Vmm.Qemu;

namespace Colo.EndToEnd.Machine;

/// <summary>QEMU's migration and COLO commands on two <c>colo vm run</c> processes with no cluster.</summary>
[Trait("Category", "e2e")]
public sealed class ColoMonitorTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-qmp-").FullName;
    private readonly string _elf;

    public ColoMonitorTests() => _elf = BareGuest.Build(_folder);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Secondary_goes_on_from_a_checkpoint_when_the_primary_is_killed(bool yankFirst)
    {
        (VmProcess primary, VmProcess secondary) = await ProtectAsync();
        await using VmProcess first = primary;
        await using VmProcess second = secondary;
        ulong reached = BareGuest.Count(primary);
        // One more whole checkpoint, so that what was printed above is part of it.
        second.WaitForEvent("RESUME", second.CountEvents("RESUME") + 2);
        primary.Kill();
        if (yankFirst)
        {
            var all = new JsonObject { ["instances"] = new JsonArray(new JsonObject { ["type"] = "migration" }) };
            await second.ExecuteOutOfBandAsync("yank", all);
        }

        QmpEvent exit = second.WaitForEvent("COLO_EXIT");
        Assert.Equal("secondary", exit.Text("mode"));
        Assert.Equal("error", exit.Text("reason"));
        await second.ExecuteAsync("x-colo-lost-heartbeat");
        await WaitForStatusAsync(second, "completed");
        // What was printed before may be older than the checkpoint: two whole lines that are new.
        int printed = second.Console.Text.Length;
        Assert.True(SpinWait.SpinUntil(() => second.Console.Text.Length > printed + 34, VmProcess.Hang), second.Errors);
        ulong now = BareGuest.Count(second);
        Assert.True(now >= reached, $"the secondary stands at {now:x}, the checkpoint had {reached:x}");
        BareGuest.WaitForMore(second, now);
        await RequireModeAsync(second, "none", "secondary");
        await RequireStatusAsync(second, "running");
        await second.ExecuteAsync("quit");
        await second.EndsWithAsync(0);
    }

    [Fact]
    public async Task Primary_goes_on_when_the_secondary_is_killed_and_can_be_protected_again()
    {
        (VmProcess primary, VmProcess secondary) = await ProtectAsync();
        await using VmProcess first = primary;
        await using VmProcess second = secondary;
        secondary.Kill();
        Assert.Equal("primary", first.WaitForEvent("COLO_EXIT").Text("mode"));
        await first.ExecuteAsync("x-colo-lost-heartbeat");
        await WaitForStatusAsync(first, "completed");
        BareGuest.WaitForMore(first, BareGuest.Count(first));
        await RequireModeAsync(first, "none", "primary");

        string again = Meeting("again");
        await using VmProcess third = Start("third", "--incoming", "defer");
        await SetCapabilitiesAsync(third);
        await third.ExecuteAsync("migrate-incoming", new JsonObject { ["uri"] = again });
        await first.ExecuteAsync("migrate", new JsonObject { ["uri"] = again });
        await WaitForStatusAsync(first, "colo");
        third.WaitForEvent("RESUME", 3);
        await RequireModeAsync(third, "secondary", "none");
    }

    [Fact]
    public async Task Failover_that_is_asked_for_says_so()
    {
        (VmProcess primary, VmProcess secondary) = await ProtectAsync();
        await using VmProcess first = primary;
        await using VmProcess second = secondary;
        await second.ExecuteAsync("x-colo-lost-heartbeat");
        Assert.Equal("request", second.WaitForEvent("COLO_EXIT").Text("reason"));
        Assert.Equal("error", first.WaitForEvent("COLO_EXIT").Text("reason"));
        BareGuest.WaitForMore(second, BareGuest.Count(second));
        QmpException refused = await Assert.ThrowsAsync<QmpException>(
            () => second.ExecuteAsync("x-colo-lost-heartbeat"));
        Assert.Contains("not in COLO mode", refused.Message);
    }

    [Fact]
    public async Task Machine_migrates_without_colo_and_stands_at_its_source()
    {
        string meeting = Meeting("meeting");
        await using VmProcess target = Start("target", "--incoming", meeting);
        await RequireStatusAsync(target, "inmigrate");
        await using VmProcess source = Start("source");
        ulong reached = BareGuest.WaitForMore(source, 0);
        await source.ExecuteAsync("migrate", new JsonObject { ["uri"] = meeting });
        await WaitForStatusAsync(source, "completed");
        await WaitForStatusAsync(target, "completed");
        Assert.True(BareGuest.WaitForMore(target, reached) > reached);
        await RequireStatusAsync(source, "paused");
        await RequireStatusAsync(target, "running");
    }

    [Fact]
    public async Task Machine_saved_to_a_file_is_restored_by_the_command_line()
    {
        string file = Path.Combine(_folder, "saved");
        ulong reached;
        await using (VmProcess source = Start("source", "-S"))
        {
            await RequireStatusAsync(source, "prelaunch");
            await source.ExecuteAsync("cont");
            BareGuest.WaitForMore(source, 0);
            await source.ExecuteAsync("stop");
            reached = BareGuest.Count(source);
            await source.ExecuteAsync("migrate", new JsonObject { ["uri"] = $"file:{file}" });
        }

        await using VmProcess restored = Start("restored", "--restore", file);
        ulong first = BareGuest.WaitForMore(restored, 0);
        Assert.True(first >= reached, $"restored at {first:x}, saved at {reached:x}");
    }

    /// <summary>A socket in the test's own folder: a port that was free a moment ago may be somebody's by
    /// now.</summary>
    private string Meeting(string name) => $"unix:{Path.Combine(_folder, name)}";

    private static Task<JsonElement> SetCapabilitiesAsync(VmProcess vm) =>
        vm.ExecuteAsync("migrate-set-capabilities", new JsonObject
    {
        ["capabilities"] = new JsonArray(
            new JsonObject { ["capability"] = "x-colo", ["state"] = true },
            new JsonObject { ["capability"] = "events", ["state"] = true }),
    });

    private static async Task WaitForStatusAsync(VmProcess vm, string expected)
    {
        DateTime end = DateTime.UtcNow + VmProcess.Hang;
        string status = "";
        while (DateTime.UtcNow < end)
        {
            JsonElement answer = await vm.ExecuteAsync("query-migrate");
            status = answer.TryGetProperty("status", out JsonElement text) ? text.GetString()! : "none";
            Assert.False(status == "failed" && expected != "failed", answer.GetRawText());
            if (status == expected)
            {
                return;
            }

            await Task.Delay(20);
        }

        Assert.Fail($"migration status is {status}, expected {expected}");
    }

    private static async Task RequireModeAsync(VmProcess vm, string mode, string lastMode)
    {
        JsonElement colo = await vm.ExecuteAsync("query-colo-status");
        Assert.Equal(mode, colo.GetProperty("mode").GetString());
        Assert.Equal(lastMode, colo.GetProperty("last-mode").GetString());
    }

    private static async Task RequireStatusAsync(VmProcess vm, string expected) =>
        Assert.Equal(expected, (await vm.ExecuteAsync("query-status")).GetProperty("status").GetString());

    private VmProcess Start(string name, params string[] arguments) =>
        new(_folder, name, ["--kernel", _elf, "--bios", "none", "--memory", "16M", .. arguments]);

    /// <summary>
    /// The start of QEMU's procedure: secondary first, capability on both, then the primary migrates.
    /// </summary>
    private async Task<(VmProcess Primary, VmProcess Secondary)> ProtectAsync()
    {
        string meeting = Meeting("meeting");
        VmProcess secondary = Start("secondary", "--incoming", meeting);
        await SetCapabilitiesAsync(secondary);
        VmProcess primary = Start("primary");
        BareGuest.WaitForMore(primary, 0);
        await SetCapabilitiesAsync(primary);
        await primary.ExecuteAsync("migrate-set-parameters", new JsonObject { ["x-checkpoint-delay"] = 200 });
        await primary.ExecuteAsync("migrate", new JsonObject { ["uri"] = meeting });
        await WaitForStatusAsync(primary, "colo");
        await WaitForStatusAsync(secondary, "colo");
        secondary.WaitForEvent("STOP");
        secondary.WaitForEvent("RESUME", 2);
        await RequireModeAsync(primary, "primary", "none");
        await RequireModeAsync(secondary, "secondary", "none");
        return (primary, secondary);
    }
}
