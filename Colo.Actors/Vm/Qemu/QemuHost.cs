using System.Text.Json;
using System.Text.Json.Nodes;
using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;
using Colo.Vmm.Qemu;

namespace Colo.Actors.Vm.Qemu;

/// <summary>
/// The QEMU of this host through its lives: booted, adopted, started as a target, taken over, discarded. Its methods
/// run one at a time, except those that must not wait (<see cref="Kill"/>, <see cref="Cut"/>, <see cref="Detach"/>,
/// <see cref="Inspect"/>).
/// </summary>
internal sealed class QemuHost : IAsyncDisposable
{
    private static readonly TimeSpan MergePollInterval = TimeSpan.FromMilliseconds(25);

    private readonly QemuVmOptions options;
    private readonly QemuTap[] taps;
    private readonly Action<Message> report;
    private readonly Action<ReplicationChannel> linkLost;
    private readonly Action replicaResumed;
    private readonly Lock gate = new();
    private (QemuProcess Process, QemuState State)? leftover;
    private QemuGuest? guest;
    private VmGauges gauges = new();
    private TaskCompletionSource? pairRuns;
    private bool inPair;
    private bool replicaTold;
    private bool standsAtCheckpoint;
    private long pausedAt;

    public QemuHost(
        QemuVmOptions options, QemuTap[] taps, Action<Message> report, Action<ReplicationChannel> linkLost,
        Action replicaResumed)
    {
        this.options = options;
        this.taps = taps;
        this.report = report;
        this.linkLost = linkLost;
        this.replicaResumed = replicaResumed;
        Settings = options.Settings;
        leftover = QemuProcess.FindRunning(options.Folder, options.Time);
        if (leftover is { State.Role: QemuRole.Replicating or QemuRole.TakingOver } useless)
        {
            // Its node's life is over, so the arbiter's set does not know it any more, or nobody knows how far it was
            // told to take over.
            useless.Process.Kill();
            leftover = null;
        }
    }

    /// <summary>How the next pair is made, and how the present one goes on.</summary>
    public QemuPairSettings Settings { get; set; }

    /// <summary>Colo's own comparer, while it is in the way of the guest's answers.</summary>
    public QemuComparer? Comparer { get; set; }

    /// <summary>Bytes that the copies to a peer's disks have moved since this was set.</summary>
    public long CopiedBytes { get; set; }

    /// <summary>Whether the bitmap of what the guest wrote since the disks were last equal is there; it ends with the
    /// QEMU.</summary>
    public bool HasGap { get; set; }

    /// <summary>The process is there, as far as the kernel knows now, and its monitor with it; true when there is none
    /// to be asked.</summary>
    public bool GuestLives => guest is not { } asked || asked.Lives;

    /// <summary>The QEMU that runs here began as a secondary.</summary>
    public bool WasSecondary => Guest.WasSecondary;

    private QemuGuest Guest => guest ?? throw new IOException("no QEMU runs here");

    public VmGauges Inspect()
    {
        lock (gate)
        {
            VmGauges seen = gauges with { Machine = guest is null ? "off" : gauges.Machine };
            return Comparer?.AddTo(seen) ?? seen;
        }
    }

    /// <summary>Boots the guest from its disks, or goes on with the one that an earlier life of this node left running
    /// alone.</summary>
    public async Task BootAsync()
    {
        try
        {
            if (await TryAdoptAsync().ConfigureAwait(false))
            {
                report(new GuestBooted(true, string.Empty));
                return;
            }

            await ReplaceAsync(null).ConfigureAwait(false);
            IReadOnlyList<string> problems = options.Preflight();
            if (problems.Count > 0)
            {
                report(new GuestBooted(false, string.Join("; ", problems)));
                return;
            }

            MergeLeftOverlays();
            PrepareTaps();
            await ReplaceAsync(await QemuGuest.StartAsync(options, asSecondary: false, OnEvent, OnLost).ConfigureAwait(false)).ConfigureAwait(false);
            Guest.Note();
            report(new GuestBooted(true, string.Empty));
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            report(new GuestBooted(false, problem.Message));
        }
    }

    /// <summary>Starts a QEMU that waits for the primary's state.</summary>
    /// <returns>False when it could not be; that is reported.</returns>
    public async Task<bool> StartTargetAsync()
    {
        await ReplaceAsync(null).ConfigureAwait(false);
        IReadOnlyList<string> problems = options.Preflight();
        if (problems.Count > 0)
        {
            report(new MachineFailed(string.Join("; ", problems)));
            return false;
        }

        for (int disk = 0; disk < options.Guest.Disks.Count; disk++)
        {
            QemuDisk image = options.Guest.Disks[disk];
            Directory.CreateDirectory(options.Folder.Path);
            long size = QemuTool.SizeOf(options.Guest.ImageBinary, image.Path, image.Format);
            QemuTool.CreateOverlay(options.Guest.ImageBinary, options.Folder.HiddenDisk(disk), size);
            QemuTool.CreateOverlay(options.Guest.ImageBinary, options.Folder.ActiveDisk(disk), size);
        }

        PrepareTaps();
        await ReplaceAsync(await QemuGuest.StartAsync(options, asSecondary: true, OnEvent, OnLost).ConfigureAwait(false)).ConfigureAwait(false);
        Guest.Note();
        string? problem = await RunAsync(
            QemuPlans.PrepareTarget(options.Guest, options.Folder, Guest.Monitor.Capabilities), CancellationToken.None).ConfigureAwait(false);
        if (problem is not null)
        {
            Fail(problem);
            return false;
        }

        return true;
    }

    /// <summary>The last checkpoint took so long, from the request to the release.</summary>
    public void NoteDuration(TimeSpan duration)
    {
        lock (gate)
        {
            gauges = gauges with { LastCheckpoint = duration };
        }
    }

    /// <summary>Runs a plan.</summary>
    /// <returns>Null when it was carried out, else a sentence: what failed, and whether it could be taken
    /// back.</returns>
    public async Task<string?> RunAsync(QemuPlan plan, CancellationToken cancellation)
    {
        if (guest is not { } running)
        {
            return $"{plan.Name}: no QEMU runs here";
        }

        QemuMove end;
        try
        {
            end = await running.Monitor.RunAsync(plan, cancellation).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return $"{plan.Name}: given up";
        }

        string? problem = end switch
        {
            QemuMove.Done => null,
            QemuMove.RolledBack { LeftOver: [] } back => $"{plan.Name}: {back.Step}: {back.Reason}",
            QemuMove.RolledBack back => $"{plan.Name}: {back.Step}: {back.Reason}; not taken back: {string.Join(", ", back.LeftOver)}",
            QemuMove.Lost lost => $"{plan.Name}: {lost.Step}: {lost.Reason}",
            _ => throw new System.Diagnostics.UnreachableException(),
        };
        if (problem is not null)
        {
            options.Log($"{options.Vm}: {problem}");
        }

        return problem;
    }

    /// <summary>From the first filter to the first RESUME of the pair.</summary>
    public async Task<string?> StartColoAsync(int attempt, CancellationToken ending)
    {
        QemuGuest starting = Guest;
        pairRuns = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        starting.Replicating = true;
        starting.Note();
        string? problem = await RunAsync(
            QemuPlans.StartColo(options.Guest, options.Folder, starting.Monitor.Capabilities, Settings, attempt, starting.WasSecondary), ending)
            .ConfigureAwait(false);
        if (problem is not null)
        {
            return problem;
        }

        try
        {
            await pairRuns.Task.WaitAsync(Settings.StartTimeout, options.Time, ending).ConfigureAwait(false);
            inPair = true;
            return null;
        }
        catch (Exception end) when (end is OperationCanceledException or TimeoutException)
        {
            return "the pair did not begin to run";
        }
    }

    /// <summary>By the arbiter's word, or because there was no pair yet: detach whatever is left of a peer and
    /// run.</summary>
    public async Task GoAloneAsync()
    {
        inPair = false;
        QemuGuest alone = Guest;
        QemuPlan plan = QemuPlans.GoAlone(options.Guest, holdsInNode: Comparer is not null);
        string? problem = await RunAsync(plan, CancellationToken.None).ConfigureAwait(false)
            ?? await alone.MakeRunningAsync().ConfigureAwait(false);
        if (problem is null && Comparer is { } own)
        {
            await own.GoSoloAsync().ConfigureAwait(false);
            problem = await RunAsync(QemuNetPlans.RemoveWayOut(options.Guest), CancellationToken.None)
                .ConfigureAwait(false);
        }

        RemoveComparer();
        Settle(alone, problem);
    }

    /// <summary>The secondary becomes the owner; a guest that is no secondary is the owner already.</summary>
    public async Task TakeOverAsync()
    {
        QemuGuest survivor = Guest;
        if (!survivor.Replicating)
        {
            return;
        }

        survivor.NoteTakeover(hasDisks: options.Guest.Disks.Count > 0);
        string? problem = await RunAsync(QemuPlans.TakeOver(options.Guest), CancellationToken.None).ConfigureAwait(false)
            ?? await survivor.MakeRunningAsync().ConfigureAwait(false);
        Settle(survivor, problem);
    }

    /// <summary>Puts the cards into the LAN, and lets QEMU tell it where the guest's addresses are.</summary>
    public async Task AttachAsync(bool announce)
    {
        foreach (QemuTap tap in taps)
        {
            tap.SetUp(true);
        }

        if (announce && taps.Length > 0)
        {
            await RunAsync(
                new QemuPlan("announce", [new QemuStep("announce-self", new JsonObject { ["initial"] = 50, ["max"] = 550, ["rounds"] = 10, ["step"] = 50 })]),
                CancellationToken.None).ConfigureAwait(false);
        }
    }

    public void Detach()
    {
        foreach (QemuTap tap in taps)
        {
            tap.SetUp(false);
        }
    }

    /// <summary>Cuts what QEMU itself has to the peer; nothing is released by that.</summary>
    public void Cut()
    {
        if (guest is { Replicating: true } cutting)
        {
            _ = cutting.Monitor.CutAsync(QemuPlans.CutPeer());
        }
    }

    public async Task PauseAsync()
    {
        await RunAsync(new QemuPlan("pause", [new QemuStep("stop")]), CancellationToken.None).ConfigureAwait(false);
        SetMachine("paused");
    }

    public Task ResumeAsync() => RunAsync(new QemuPlan("resume", [new QemuStep("cont")]), CancellationToken.None);

    /// <summary>The guest's power button; whether it listens is its own affair.</summary>
    public void RequestPowerdown()
    {
        if (guest is { } asked)
        {
            _ = asked.Monitor.RunAsync(new QemuPlan("power button", [new QemuStep("system_powerdown")]));
        }
    }

    /// <summary>Waits in the background until the survivor's disks stand on their images alone, and reports
    /// it.</summary>
    public Task AwaitMergeAsync()
    {
        if (guest is { } merging)
        {
            _ = Task.Run(() => AwaitMergeAsync(merging));
        }

        return Task.CompletedTask;
    }

    /// <summary>SIGKILL, at once.</summary>
    public void Kill()
    {
        guest?.Kill();
        leftover?.Process.Kill();
    }

    public async Task DiscardAsync(string reason)
    {
        if (guest is not null || leftover is not null)
        {
            options.Log($"{options.Vm}: QEMU is ended: {reason}");
        }

        leftover = null;
        await ReplaceAsync(null).ConfigureAwait(false);
        Array.ForEach(taps, tap => tap.Remove());
    }

    /// <summary>Something here cannot be repaired.</summary>
    public void Fail(string reason)
    {
        guest?.Kill();
        report(new MachineFailed(reason));
    }

    /// <summary>The node ends: alone the guest goes on, half of a pair is worth nothing without its node.</summary>
    public async ValueTask DisposeAsync()
    {
        RemoveComparer();
        if (guest is { } last)
        {
            if (last.Replicating)
            {
                last.Kill();
            }

            await last.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task<bool> TryAdoptAsync()
    {
        if (leftover is not { } found)
        {
            return false;
        }

        leftover = null;
        try
        {
            await ReplaceAsync(await QemuGuest.AdoptAsync(options, found.Process, found.State, OnEvent, OnLost).ConfigureAwait(false)).ConfigureAwait(false);
            options.Log($"{options.Vm}: goes on with QEMU process {found.State.ProcessId}, which an earlier life of this node has started");
            if (Guest.Unmerged)
            {
                await AwaitMergeAsync().ConfigureAwait(false);
            }

            // Its node may have ended in the middle of an attempt to protect it: with half of the way to the peer in
            // it, or with its guest made to stand.
            string? problem = await RunAsync(QemuPlans.GoAlone(options.Guest), CancellationToken.None)
                .ConfigureAwait(false);
            return (problem ?? await Guest.MakeRunningAsync().ConfigureAwait(false)) is null;
        }
        catch (IOException problem)
        {
            options.Log($"{options.Vm}: QEMU process {found.State.ProcessId} cannot be taken over: {problem.Message}");
            found.Process.Kill();
            return false;
        }
    }

    /// <summary>A survivor that died before its overlays were merged: what they hold belongs into the image.</summary>
    private void MergeLeftOverlays()
    {
        if (QemuProcess.ReadState(options.Folder)
            is not { Role: QemuRole.Alone or QemuRole.TakingOver, Unmerged: true })
        {
            return;
        }

        for (int disk = 0; disk < options.Guest.Disks.Count; disk++)
        {
            QemuDisk image = options.Guest.Disks[disk];
            foreach (string overlay in (string[])[options.Folder.HiddenDisk(disk), options.Folder.ActiveDisk(disk)])
            {
                if (File.Exists(overlay))
                {
                    QemuTool.Merge(options.Guest.ImageBinary, overlay, image.Path, image.Format);
                    File.Delete(overlay); // not a second time over what the guest writes from now on
                }
            }
        }
    }

    /// <summary>What it has counted stays.</summary>
    private void RemoveComparer()
    {
        QemuComparer? old;
        lock (gate)
        {
            old = Comparer;
            Comparer = null;
            gauges = old?.AddTo(gauges) ?? gauges;
        }

        old?.Dispose();
    }

    private void PrepareTaps() => Array.ForEach(taps, tap => tap.Prepare());

    private async Task ReplaceAsync(QemuGuest? next)
    {
        RemoveComparer();
        QemuGuest? old;
        lock (gate)
        {
            old = guest;
            guest = next;
            gauges = new VmGauges { Machine = "running" };
        }

        (inPair, HasGap) = (false, false);
        (pairRuns, replicaTold, standsAtCheckpoint) = (null, false, false);
        if (old is not null)
        {
            old.Kill();
            await old.DisposeAsync().ConfigureAwait(false);
        }

        if (next is not null)
        {
            options.TypingTo(next.Type);
        }
    }

    private void Settle(QemuGuest alone, string? problem)
    {
        if (problem is not null)
        {
            Fail(problem);
            return;
        }

        alone.Replicating = false;
        (pairRuns, replicaTold, standsAtCheckpoint) = (null, false, false);
        alone.Note();
        SetMachine("running");
        options.Log($"{options.Vm}: the guest runs alone here (QEMU process {alone.ProcessId})");
    }

    private async Task AwaitMergeAsync(QemuGuest merging)
    {
        while (ReferenceEquals(guest, merging))
        {
            try
            {
                JsonElement graph = await merging.Monitor.AskAsync("x-debug-query-block-graph", options.HangTimeout).ConfigureAwait(false);
                if (!merging.Unmerged || QemuPlans.IsMerged(options.Guest, graph))
                {
                    merging.Unmerged = false;
                    merging.Note();
                    report(new DiskMerged());
                    return;
                }
            }
            catch (QmpException problem)
            {
                options.Log($"{options.Vm}: {problem.Message}");
            }

            // The merge is a job of QEMU's own, which sends no event.
            await Task.Delay(MergePollInterval, options.Time).ConfigureAwait(false);
        }
    }

    private void OnLost(QemuGuest source, string reason)
    {
        if (ReferenceEquals(source, guest))
        {
            report(new MachineFailed(reason));
        }
    }

    private void OnEvent(QemuGuest source, QmpEvent happened)
    {
        // A QEMU that is being connected to is not the guest yet; a secondary's first events count all the same.
        if (guest is not null && !ReferenceEquals(source, guest))
        {
            return;
        }

        switch (happened.Name)
        {
            case "STOP": OnStop(source); break;
            case "RESUME": OnResume(source); break;
            case "COLO_EXIT": OnColoExit(); break;
            case "QUORUM_REPORT_BAD" when happened.Text("node-name")?.StartsWith("nbd", StringComparison.Ordinal) == true && inPair:
                linkLost(ReplicationChannel.Disk);
                break;
            case "BLOCK_JOB_COMPLETED": CopiedBytes += happened.Number("offset"); break;
            case "BLOCK_IO_ERROR": report(new LocalDiskError(happened.Text("operation") == "write")); break;
            case "MIGRATION" when happened.Text("status") == "colo": standsAtCheckpoint = true; break;
            case "SHUTDOWN" when happened.Text("reason") == "guest-shutdown": report(new GuestEnded(GuestEnd.Shutdown)); break;
            case "GUEST_PANICKED": report(new GuestEnded(GuestEnd.Panic)); break;
            case "RESET" when happened.Text("reason") == "guest-reset": report(new CheckpointTrigger(CheckpointReason.GuestEvent)); break;
        }
    }

    private void OnStop(QemuGuest source)
    {
        pausedAt = options.Time.GetTimestamp();
        SetMachine("paused");
        Comparer?.Stopped(() => source.Monitor.AskAsync("query-status", options.HangTimeout));
    }

    /// <summary>The first RESUME after migration's status colo begins the pair; each further one ends a
    /// checkpoint.</summary>
    private void OnResume(QemuGuest source)
    {
        SetMachine("running");
        Comparer?.Resumed();
        if (source.WasSecondary && source.Replicating)
        {
            replicaResumed();
        }

        TimeSpan pause = options.Time.GetElapsedTime(pausedAt);
        if (standsAtCheckpoint)
        {
            standsAtCheckpoint = false;
            pairRuns?.TrySetResult();
            if (source.WasSecondary && source.Replicating && !replicaTold && pairRuns is null)
            {
                replicaTold = true;
                report(new QemuReplicaRunning());
            }

            return;
        }

        if (inPair || replicaTold)
        {
            lock (gate)
            {
                gauges = gauges with { LastPause = pause, LastCheckpoint = pause };
            }

            report(new QemuCheckpointTaken(pause));
        }
    }

    private void OnColoExit()
    {
        if (inPair || replicaTold)
        {
            linkLost(ReplicationChannel.Checkpoint);
        }
    }

    private void SetMachine(string state)
    {
        lock (gate)
        {
            gauges = gauges with { Machine = state };
        }
    }
}
