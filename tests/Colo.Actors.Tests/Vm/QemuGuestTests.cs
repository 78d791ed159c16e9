using System.Diagnostics;
using System.Net;
using Colo.Actors.Links;
using Colo.Actors.Protocol;
using Colo.Actors.Vm.Qemu;
using Colo.Vmm.Qemu;

namespace Colo.Actors.Tests.Vm;

/// <summary>A QEMU process and the node that started it.</summary>
public sealed class QemuGuestTests : IDisposable
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-qg").FullName;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_QEMU_that_has_not_answered_yet_is_found_and_ended_by_the_nodes_next_life(bool asSecondary)
    {
        QemuVmOptions options = Options(Program());
        Task<QemuGuest> starting = QemuGuest.StartAsync(options, asSecondary, (_, _) => { }, (_, _) => { });

        (QemuProcess process, QemuState state) =
            Assert.NotNull(QemuProcess.FindRunning(options.Folder, TimeProvider.System));
        using var found = Process.GetProcessById(process.Id);
        Assert.Equal((QemuRole.Replicating, asSecondary, false), (state.Role, state.WasSecondary, state.Unmerged));
        await using var next = new QemuHost(options, [], _ => { }, _ => { }, () => { });

        await found.WaitForExitAsync().WaitAsync(Hang);
        Assert.False(QemuProcess.IsRunning(options.Folder));
        await Assert.ThrowsAsync<IOException>(() => starting.WaitAsync(Hang));
    }

    [Fact]
    public async Task A_QEMU_whose_process_cannot_be_written_down_does_not_stay()
    {
        QemuVmOptions options = Options(Program());
        Directory.CreateDirectory(options.Folder.State);

        await Assert.ThrowsAnyAsync<Exception>(
            () => QemuGuest.StartAsync(options, asSecondary: false, (_, _) => { }, (_, _) => { }));

        Assert.DoesNotContain(
            Process.GetProcesses(), other => CommandLine(other).Contains(_folder, StringComparison.Ordinal));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static string CommandLine(Process process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process.Id}/cmdline");
        }
        catch (IOException)
        {
            return string.Empty; // it has ended
        }
    }

    /// <summary>A program that runs on and opens no socket.</summary>
    private string Program()
    {
        string path = Path.Combine(_folder, "program");
        File.WriteAllText(path, "#!/bin/sh\nexec tail -f \"$0\"\n");
        using var chmod = Process.Start("chmod", ["+x", path]);
        chmod.WaitForExit();
        return path;
    }

    private QemuVmOptions Options(string program) => new()
    {
        Vm = new VmId("web"),
        Self = new HostIdentity(new HostId("node-a"), new Incarnation(1)),
        Guest = new QemuDefinition { Name = "web", Binary = program, MemoryBytes = 1 << 20 },
        Folder = new QemuFolder(Path.Combine(_folder, "q")),
        Settings = new QemuPairSettings
        {
            Compare = true, CheckpointPeriod = TimeSpan.FromSeconds(20), CompareTimeout = TimeSpan.FromSeconds(1),
        },
        ColoPeriod = TimeSpan.FromSeconds(20),
        PeriodicPeriod = TimeSpan.FromMilliseconds(100),
        Bridges = [],
        Preflight = () => [],
        Printed = _ => { },
        TypingTo = _ => { },
        PeerAddress = _ => new IPEndPoint(IPAddress.Loopback, 1),
        Security = null,
        Links = new LinkRegistry(),
        Time = TimeProvider.System,
        Log = _ => { },
    };
}
