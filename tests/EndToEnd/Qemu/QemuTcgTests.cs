using System.Net.Sockets;
using Colo.Vmm.Qemu;

namespace Colo.EndToEnd.Qemu;

/// <summary>
/// What a pair can do under TCG of any version: start, the first state, takeover. The plans run against two real QEMUs
/// with a plain relay of bytes between them, so this needs no KVM, no node and no root.
/// </summary>
[Trait("Category", "e2e")]
public sealed class QemuTcgTests : IAsyncLifetime
{
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(3);
    private readonly string _folder = Directory.CreateTempSubdirectory("colo-tcg").FullName;
    private readonly List<IAsyncDisposable> _monitors = [];
    private readonly List<QemuProcess> _processes = [];
    private readonly List<Socket> _sockets = [];

    [Fact]
    public async Task The_secondary_takes_over_from_the_first_state()
    {
        QemuDefinition first = Define("a");
        QemuDefinition second = Define("b");
        QemuFolder firstFolder = new(Path.Combine(_folder, "a"));
        QemuFolder secondFolder = new(Path.Combine(_folder, "b"));
        QemuCluster.Assemble("counter", first.Disks[0].Path);
        foreach (QemuDefinition guest in (QemuDefinition[])[first, second])
        {
            using FileStream image = new(guest.Disks[0].Path, FileMode.OpenOrCreate);
            image.SetLength(1 << 20);
        }

        Directory.CreateDirectory(secondFolder.Path);
        QemuTool.CreateOverlay("qemu-img", secondFolder.HiddenDisk(0), 1 << 20);
        QemuTool.CreateOverlay("qemu-img", secondFolder.ActiveDisk(0), 1 << 20);
        var firstState = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        QemuMonitor primary = await StartAsync(QemuCommandLine.Primary(first, firstFolder), firstFolder, _ => { });
        QemuMonitor secondary = await StartAsync(QemuCommandLine.Secondary(second, secondFolder), secondFolder, happened =>
        {
            if (happened.Name == "RESUME")
            {
                firstState.TrySetResult();
            }
        });
        QemuCapabilities capabilities = primary.Capabilities;
        var settings = new QemuPairSettings { Compare = true, CheckpointPeriod = TimeSpan.FromHours(1), CompareTimeout = TimeSpan.FromSeconds(1) };

        await DoAsync(secondary, QemuPlans.PrepareTarget(second, secondFolder, capabilities));
        Stand(firstFolder.NbdRelay(0, 1), secondFolder.NbdServer);
        await DoAsync(primary, QemuPlans.CopyDisks(first, firstFolder, settings, 1, incremental: false));
        await DoAsync(primary, QemuPlans.AttachDisks(first, 1));
        Stand(firstFolder.MigrationRelay(1), secondFolder.Incoming);
        await DoAsync(primary, QemuPlans.StartColo(first, firstFolder, capabilities, settings, 1, hasRewriter: false));
        await firstState.Task.WaitAsync(Hang);

        _processes[0].Kill();
        await DoAsync(secondary, QemuPlans.TakeOver(second));

        using var limit = new CancellationTokenSource(Hang);
        while (!File.Exists(secondFolder.ConsoleLog) || new FileInfo(secondFolder.ConsoleLog).Length < 20)
        {
            await Task.Delay(50, limit.Token);
        }

        System.Text.Json.JsonElement status = await secondary.AskAsync("query-status", Hang);
        Assert.Equal("running", status.GetProperty("status").GetString());
        System.Text.Json.JsonElement graph = await secondary.AskAsync("x-debug-query-block-graph", Hang);
        while (!QemuPlans.IsMerged(second, graph))
        {
            await Task.Delay(50, limit.Token);
            graph = await secondary.AskAsync("x-debug-query-block-graph", Hang);
        }
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (IAsyncDisposable monitor in _monitors)
        {
            await monitor.DisposeAsync();
        }

        _processes.ForEach(process => process.Kill());
        _sockets.ForEach(socket => socket.Dispose());
        Directory.Delete(_folder, recursive: true);
    }

    private static async Task DoAsync(QemuMonitor monitor, QemuPlan plan)
    {
        QemuMove end = await monitor.RunAsync(plan).WaitAsync(Hang);
        Assert.True(end is QemuMove.Done, $"{plan.Name}: {end}");
    }

    private QemuDefinition Define(string name) => new()
    {
        Name = name,
        Accelerator = "tcg",
        MemoryBytes = 16 << 20,
        Disks = [new QemuDisk(Path.Combine(_folder, name + ".img"), "raw", "ide-hd", "")],
    };

    private async Task<QemuMonitor> StartAsync(IReadOnlyList<string> line, QemuFolder folder, Action<QmpEvent> happened)
    {
        QemuProcess process = QemuProcess.Start("qemu-system-x86_64", line, folder);
        _processes.Add(process);
        QemuMonitor monitor = await QemuMonitor.ConnectAsync(folder.Monitor, happened, TimeProvider.System, Hang, process.Ended);
        monitor.Patience = Hang;
        _monitors.Add(monitor);
        return monitor;
    }

    /// <summary>Listens in place of the other QEMU's socket and passes bytes on.</summary>
    private void Stand(string path, string target)
    {
        Socket listener = Keep(new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified));
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen(1);
        _ = Task.Run(async () =>
        {
            Socket here = Keep(await listener.AcceptAsync());
            Socket there = Keep(new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified));
            await there.ConnectAsync(new UnixDomainSocketEndPoint(target));
            await Task.WhenAny(
                new NetworkStream(here).CopyToAsync(new NetworkStream(there)), new NetworkStream(there).CopyToAsync(new NetworkStream(here)));
            here.Dispose();
            there.Dispose();
        });
    }

    private Socket Keep(Socket socket)
    {
        lock (_sockets)
        {
            _sockets.Add(socket);
        }

        return socket;
    }
}
