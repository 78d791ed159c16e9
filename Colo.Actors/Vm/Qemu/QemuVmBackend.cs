using System.Threading.Channels;
using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Links;
using Colo.Actors.Protocol;
using Colo.Vmm.Links;
using Colo.Vmm.Qemu;

namespace Colo.Actors.Vm.Qemu;

/// <summary>
/// A QEMU behind the protocol's effects. What must happen at once (cutting links, taking the card out of the LAN,
/// killing) is done on the caller's thread; the procedures run one after another on a task of their own, in the order
/// of the effects, and report.
/// </summary>
/// <remarks>
/// The gate is QEMU's own: while half of a pair, the primary's answers pass QEMU's comparer, which lets go what matched
/// or what a checkpoint covers; the secondary's card is not in the LAN. So <see cref="Effect.OpenSoloGate"/>, the
/// arbiter's yes, is what detaches the comparer, and nothing else does.
/// </remarks>
public sealed class QemuVmBackend : IVmBackend, ILinkAcceptor
{
    private readonly QemuVmOptions options;
    private readonly Action<Message> report;
    private readonly QemuTap[] taps;
    private readonly QemuHost host;
    private readonly Channel<Func<Task>> work = Channel.CreateUnbounded<Func<Task>>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Task working;
    private readonly Lock gate = new();
    private QemuSession? session;
    private bool asPrimary;
    private bool joined;
    private bool hasComparer;
    private int attempts;

    public QemuVmBackend(QemuVmOptions options, Action<Message> report)
    {
        this.options = options;
        this.report = report;
        taps = [.. options.Guest.Nics.Select((nic, index) => new QemuTap(nic.Tap, options.Bridges[index], options.Log))];
        host = new QemuHost(options, taps, report, channel => Current?.Lost(channel), () => Current?.Resumed());
        options.Links.Register(options.Vm, this);
        working = Task.Run(WorkAsync);
    }

    private QemuSession? Current
    {
        get
        {
            lock (gate)
            {
                return session;
            }
        }
    }

    public void Execute(Effect effect)
    {
        switch (effect)
        {
            case Effect.BootGuest: Post(host.BootAsync); break;
            case Effect.PauseGuest: Post(PauseAsync); break;
            case Effect.ResumeGuest: Post(host.ResumeAsync); break;
            case Effect.DiscardGuest discard: Discard(discard.Reason); break;
            case Effect.CloseGate: break; // the guest is cut off or given up by the effects that follow
            case Effect.OpenSoloGate: OwnAlone(); break;
            case Effect.AttachNetwork attach: Post(() => host.AttachAsync(attach.Announce)); break;
            case Effect.DetachNetwork: host.Detach(); break;
            case Effect.ConnectReplication connect: Connect(connect); break;
            case Effect.DisconnectReplication: Disconnect(); break;
            case Effect.CopyDisk copy: Post(() => CopyAsync(copy.Plan)); break;
            case Effect.CaptureState: Post(CheckpointAsync); break;
            case Effect.SetComparing comparing: Post(() => SetComparingAsync(comparing.Enabled)); break;
            case Effect.MergeDiskBuffer: Post(host.AwaitMergeAsync); break;
            case Effect.BeginJoinGate or Effect.OpenPairGate or Effect.AcknowledgeAtGate: break; // QEMU's comparer is in the way already
            case Effect.ForwardDiskWrites or Effect.RecordDiskWrites or Effect.ReceiveDiskWrites or Effect.IdleDisk: break; // part of the plans
            case Effect.StopCopy or Effect.ThrottleGuest: break; // a copy ends with its session
            default: throw new System.Diagnostics.UnreachableException($"{effect.GetType().Name} is not for a QEMU");
        }
    }

    public void RequestPowerdown() => host.RequestPowerdown();

    public VmGauges Inspect() => host.Inspect();

    public (LinkAnswer Answer, ulong Term) Decide(LinkOpen open)
    {
        lock (gate)
        {
            ulong term = (ulong)(session?.Term.Value ?? 0);
            return session is null || asPrimary || open.Host != session.Peer.Name ? (LinkAnswer.NotExpected, term)
                : open.Term < term ? (LinkAnswer.OldTerm, term)
                : open.Term > term ? (LinkAnswer.NotExpected, term)
                : (LinkAnswer.Accepted, term);
        }
    }

    public void Take(DataLink link)
    {
        if (Current is { } current)
        {
            current.Take(link);
        }
        else
        {
            link.Dispose();
        }
    }

    /// <summary>The node ends. A guest that runs alone goes on without it; half of a pair does not.</summary>
    public async ValueTask DisposeAsync()
    {
        options.Links.Remove(options.Vm);
        Disconnect();
        work.Writer.TryComplete();
        await working.ConfigureAwait(false);
        await host.DisposeAsync().ConfigureAwait(false);
    }

    private void Post(Func<Task> action) => work.Writer.TryWrite(action);

    private async Task WorkAsync()
    {
        await foreach (Func<Task> action in work.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            try
            {
                await action().ConfigureAwait(false);
            }
            catch (Exception problem)
            {
                // An answer of QEMU that makes no sense is a failed machine as well: it may be anything by now. So is a
                // program that cannot be started; nothing may end this loop, which carries out all that follows.
                host.Fail(problem.Message);
            }
        }
    }

    private async Task PauseAsync()
    {
        await host.PauseAsync().ConfigureAwait(false);
        report(new GuestPaused());
    }

    private void Discard(string reason)
    {
        Disconnect();
        host.Detach();
        host.Kill();
        Post(() => host.DiscardAsync(reason));
    }

    private void Connect(Effect.ConnectReplication connect)
    {
        Disconnect();
        var next = new QemuSession(options, connect.Peer, connect.Term, ++attempts, report, () => host.GuestLives);
        lock (gate)
        {
            session = next;
            asPrimary = connect.AsPrimary;
        }

        if (connect.AsPrimary)
        {
            Post(() =>
            {
                joined = false;
                next.OpenTether();
                return Task.CompletedTask;
            });
        }
        else
        {
            Post(() => PrepareTargetAsync(next));
        }
    }

    private void Disconnect()
    {
        QemuSession? old;
        lock (gate)
        {
            old = session;
            session = null;
        }

        old?.Dispose();
        if (old is not null)
        {
            host.Cut();
        }
    }

    private async Task PrepareTargetAsync(QemuSession target)
    {
        if (await host.StartTargetAsync().ConfigureAwait(false) && !target.Ending.IsCancellationRequested)
        {
            report(new QemuTargetReady());
        }
    }

    private async Task CopyAsync(DiskCopyPlan plan)
    {
        if (Current is not { } copying)
        {
            return;
        }

        if (plan == DiskCopyPlan.Nothing)
        {
            report(new DiskCopyDone());
            return;
        }

        for (int disk = 0; disk < options.Guest.Disks.Count; disk++)
        {
            copying.Stand(options.Folder.NbdRelay(disk, copying.Attempt), LinkKind.Disk, disk);
        }

        host.CopiedBytes = 0;
        string? problem = await host.RunAsync(
            QemuPlans.CopyDisks(options.Guest, options.Folder, host.Settings, copying.Attempt, plan == DiskCopyPlan.Bitmaps && host.HasGap),
            copying.Ending)
            .ConfigureAwait(false);
        report(problem is null ? new QemuDisksCopied(host.CopiedBytes) : new ResyncChannelFailed(problem));
    }

    private async Task CheckpointAsync()
    {
        if (Current is not { } starting)
        {
            return;
        }

        if (joined)
        {
            long began = options.Time.GetTimestamp();
            await BeginCheckpointAsync().ConfigureAwait(false);
            await InPairAsync(starting, QemuNetPlans.Checkpoint(options.Guest, host.Settings)).ConfigureAwait(false);
            if (host.Settings.NodeDrivesCheckpoints)
            {
                host.NoteDuration(options.Time.GetElapsedTime(began));
            }

            return;
        }

        string? problem = await StartPairAsync(starting).ConfigureAwait(false);
        if (problem is null)
        {
            joined = true;
            report(new QemuPairRunning());
            _ = DrivePeriodsAsync(starting);
            return;
        }

        // Nothing was released by pair rules yet, and the record in force is still this host's alone.
        await host.GoAloneAsync().ConfigureAwait(false);
        report(new QemuStartFailed(problem));
    }

    private async Task<string?> StartPairAsync(QemuSession starting)
    {
        QemuDefinition guest = options.Guest;
        CancellationToken ending = starting.Ending;
        string? problem = await host.RunAsync(QemuPlans.AttachDisks(guest, starting.Attempt), ending).ConfigureAwait(false)
            ?? await host.RunAsync(QemuNetPlans.AddChannels(guest, options.Folder, host.Settings), ending)
                .ConfigureAwait(false);
        if (problem is not null)
        {
            return problem;
        }

        host.HasGap = true;
        try
        {
            for (int nic = 0; nic < guest.Nics.Count; nic++)
            {
                bool header = guest.Nics[nic].HasVirtioHeader;
                await starting.BridgeAsync(options.Folder.Channel(QemuNames.Mirror(nic)), LinkKind.Mirror, nic, header).ConfigureAwait(false);
                if (!host.Settings.OwnComparer)
                {
                    string input = options.Folder.Channel(QemuNames.CompareInput(nic));
                    await starting.BridgeAsync(input, LinkKind.Compare, nic, header).ConfigureAwait(false);
                }
            }

            if (host.Settings.OwnComparer && guest.Nics.Count > 0)
            {
                var own = new QemuComparer(options, report);
                host.Comparer = own;
                await own.ConnectAsync(starting, host.Settings.Compare).ConfigureAwait(false);
            }
        }
        catch (IOException trouble)
        {
            return trouble.Message;
        }

        starting.Stand(options.Folder.MigrationRelay(starting.Attempt), LinkKind.CheckpointControl, 0);
        starting.Comparing = hasComparer = host.Settings.Compare;
        await BeginCheckpointAsync().ConfigureAwait(false);
        return await host.StartColoAsync(starting.Attempt, ending).ConfigureAwait(false);
    }

    /// <summary>Which role ends is what the effects so far say, and not what the next attempt has made of it when the
    /// work before this one is done.</summary>
    private void OwnAlone()
    {
        bool wasPrimary;
        lock (gate)
        {
            wasPrimary = asPrimary;
            asPrimary = false;
        }

        Post(wasPrimary ? GoAloneAsync : host.TakeOverAsync);
    }

    private Task GoAloneAsync()
    {
        joined = false;
        return host.GoAloneAsync();
    }

    private Task BeginCheckpointAsync() => host.Comparer?.BeginCheckpointAsync() ?? Task.CompletedTask;

    /// <summary>
    /// In periodic mode, and with Colo's comparer, nobody but this node asks for checkpoints, because each begins at
    /// the buffers or at the comparer. A checkpoint that takes longer than the period delays the next.
    /// </summary>
    private async Task DrivePeriodsAsync(QemuSession driven)
    {
        try
        {
            while (true)
            {
                await Task.Delay(host.Settings.CheckpointPeriod, options.Time, driven.Ending).ConfigureAwait(false);
                var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                Post(async () =>
                {
                    try
                    {
                        if (joined && host.Settings.NodeDrivesCheckpoints && ReferenceEquals(Current, driven))
                        {
                            await CheckpointAsync().ConfigureAwait(false);
                        }
                    }
                    finally
                    {
                        done.TrySetResult();
                    }
                });
                await done.Task.WaitAsync(driven.Ending).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The pair is over.
        }
    }

    private async Task SetComparingAsync(bool enabled)
    {
        bool changed = host.Settings.Compare != enabled;
        host.Settings = host.Settings with
        {
            Compare = enabled,
            CheckpointPeriod = enabled ? options.ColoPeriod : options.PeriodicPeriod,
        };
        if (!changed || !joined || Current is not { } current)
        {
            return;
        }

        current.Comparing = enabled;
        if (host.Comparer is { } own)
        {
            own.Comparing = enabled;
        }

        await BeginCheckpointAsync().ConfigureAwait(false);
        bool hadComparer = hasComparer;
        hasComparer = true;
        await InPairAsync(current, enabled
            ? QemuNetPlans.StartComparing(options.Guest, host.Settings, hadComparer, host.WasSecondary)
            : QemuNetPlans.StopComparing(options.Guest, host.Settings)).ConfigureAwait(false);
    }

    /// <summary>A running pair in which a command is refused is in no state that could be described: it is dissolved,
    /// and made anew.</summary>
    private async Task InPairAsync(QemuSession current, QemuPlan plan)
    {
        if (await host.RunAsync(plan, current.Ending).ConfigureAwait(false) is not null)
        {
            current.Lost(ReplicationChannel.Checkpoint);
        }
    }
}
