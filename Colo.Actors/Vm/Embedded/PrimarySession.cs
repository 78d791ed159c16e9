using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;
using Colo.Actors.Failover;
using Colo.Actors.Links;
using Colo.Actors.Protocol;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Checkpoint.Primary;
using Colo.Vmm.Links;

namespace Colo.Actors.Vm.Embedded;

/// <summary>
/// One session of a primary with its secondary: opens the data links, then runs copies and checkpoints on a thread of
/// its own, and sends pages ahead while there is nothing else to do. Ends when a link breaks, which is reported once.
/// <code>
/// connecting (retries until the joiner listens) -> ready -> [copy memory | checkpoint | send ahead]* -> ended
/// </code>
/// </summary>
internal sealed class PrimarySession : IPrimaryCheckpointHooks, ICheckpointMachineWatcher, IDisposable
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan ConnectRetry = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan HandOverTime = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(1);

    private readonly SessionSetup setup;
    private readonly GuestMachine guest;
    private readonly GuestNetwork network;
    private readonly DiskSet disks;
    private readonly CancellationTokenSource ending = new();
    private readonly ManualResetEventSlim dismissed = new();
    private readonly QuietQueue<Action> work = new();
    private readonly List<DataLink> links = [];
    private readonly Thread thread;
    private readonly Lock abortGate = new();
    private CancellationTokenSource? checkpoint;
    private PrimaryCheckpointSender? sender;
    private BackgroundPrecopy? precopy;
    private ulong lastEpoch;
    private IReadOnlyList<PrimarySession> before;
    private bool copying;
    private long pausedAt;
    private Epoch? captured;
    private int reported;
    private volatile bool handingOver;

    /// <param name="before">Ended ones of the same guest: two at once would take each other's dirty pages.</param>
    public PrimarySession(
        SessionSetup setup, GuestMachine guest, GuestNetwork network, DiskSet disks, Epoch epoch,
        IReadOnlyList<PrimarySession>? before = null)
    {
        this.setup = setup;
        this.guest = guest;
        this.network = network;
        this.disks = disks;
        this.before = before ?? [];
        lastEpoch = (ulong)epoch.Value;
        thread = new Thread(Run) { IsBackground = true, Name = $"colo session {setup.Vm}" };
        thread.Start();
    }

    /// <summary>What the last checkpoint cost; null before the first.</summary>
    public CheckpointReport? LastReport { get; private set; }

    /// <summary>
    /// All passes over memory, once in a session: the secondary tells the frames of two copies apart by the epoch of
    /// the checkpoint that they lead to. Reports <see cref="MemoryRoundDone"/>.
    /// </summary>
    public void CopyMemory() => Post(() =>
    {
        copying = true;
        var options = new LiveStartOptions { RoundsMax = 16, Throttle = guest.Throttle };
        double slowed = 0;
        void Told(LiveStartProgress round)
        {
            if (round.ThrottleShare > slowed)
            {
                slowed = round.ThrottleShare;
                long sent = (long)round.Pages.Raw + round.Pages.Zero + round.Pages.Delta + round.Pages.Equal;
                setup.Report(new MemoryRoundOutrun(
                    100 - (int)Math.Round(100 * slowed), round.Round, sent, round.RemainingPages));
            }
        }

        long before = sender!.BytesWritten;
        long told = before;
        void Tell()
        {
            // One pass takes minutes when the memory is large or the link slow.
            long moved = sender.BytesWritten;
            if (Interlocked.Exchange(ref told, moved) != moved)
            {
                setup.Report(new MemoryCopyProgress(moved - before));
            }
        }

        using ITimer progress = setup.Time.CreateTimer(_ => Tell(), null, ProgressInterval, ProgressInterval);
        long began = setup.Time.GetTimestamp();
        new LiveStart(sender, options).CopyRounds(
            new CheckpointStamp((ulong)setup.Term.Value, lastEpoch + 1), Told, ending.Token, out bool lost);
        copying = false;
        if (lost)
        {
            LinkLost(ReplicationChannel.Checkpoint);
            return;
        }

        setup.Report(new MemoryRoundDone(
            guest.Ram.PageCount, sender.PendingPages, setup.Time.GetElapsedTime(began), IsLast: true));
    });

    /// <summary>Brings the joiner's disks into step, beside whatever else the session does.</summary>
    public void CopyDisk(DiskCopyPlan plan) => Post(() => _ = disks.CopyAsync(plan, ending.Token));

    /// <summary>Captures and sends; reports <see cref="StateCaptured"/>, later what went wrong if it did.</summary>
    public void TakeCheckpoint(Epoch epoch, bool resumeAfter)
    {
        if (!resumeAfter)
        {
            // Here, where a later word to go on comes too: on the session's thread it could overtake that one.
            guest.ForbidFromNextPause();
        }

        var abort = CancellationTokenSource.CreateLinkedTokenSource(ending.Token);
        lock (abortGate)
        {
            checkpoint = abort;
        }

        if (!work.Add(() => Take(epoch, abort)))
        {
            Release(abort);
        }
    }

    public void AbortCheckpoint()
    {
        lock (abortGate)
        {
            checkpoint?.Cancel();
        }
    }

    private void Take(Epoch epoch, CancellationTokenSource abort)
    {
        try
        {
            lastEpoch = (ulong)epoch.Value;
            captured = null;
            network.Expect(epoch.Value);
            CheckpointReport report = sender!.Run(new CheckpointStamp((ulong)setup.Term.Value, lastEpoch), abort.Token);
            network.Expect(null);
            LastReport = report;
            if (report.Status is CheckpointStatus.LinkLost or CheckpointStatus.Unresolved or CheckpointStatus.CommittedThenLost)
            {
                LinkLost(ReplicationChannel.Checkpoint);
            }
        }
        finally
        {
            Release(abort);
        }
    }

    /// <summary>While it lives, the session's own token knows it; and nobody may cancel it afterwards.</summary>
    private void Release(CancellationTokenSource abort)
    {
        lock (abortGate)
        {
            checkpoint = checkpoint == abort ? null : checkpoint;
        }

        abort.Dispose();
    }

    void IPrimaryCheckpointHooks.Captured(CheckpointStamp stamp)
    {
        // The guest stands: everything that it makes from now on belongs to the new epoch.
        captured = new Epoch((long)stamp.Epoch);
        network.Tag((long)stamp.Epoch);
        disks.Barrier(stamp.Epoch);
    }

    void IPrimaryCheckpointHooks.Committed(CheckpointStamp stamp)
    {
        // What may leave is decided by the core, which hears of the commit from the secondary's core.
    }

    void IPrimaryCheckpointHooks.CheckpointWanted(CheckpointWantedReason reason) =>
        setup.Report(new CheckpointTrigger(CheckpointReason.DirtyPages));

    void ICheckpointMachineWatcher.Pausing() => pausedAt = setup.Time.GetTimestamp();

    void ICheckpointMachineWatcher.Resumed()
    {
        if (captured is { } epoch)
        {
            captured = null;
            (int pages, int bytes) = sender!.LastCapture;
            setup.Report(new StateCaptured(epoch, pages, bytes, setup.Time.GetElapsedTime(pausedAt)));
        }
    }

    /// <summary>Whether a thread of the session may still use the guest.</summary>
    public bool IsAlive => thread.IsAlive;

    /// <summary>Waits until nothing of the session uses the guest any more; after <see cref="Dispose"/>.</summary>
    public void Join() => thread.Join();

    /// <summary>Ends it, without waiting: its thread may be waiting for a request of the guest's that only the caller's
    /// next step lets go of.</summary>
    public void Dispose()
    {
        End();
        dismissed.Set();
        foreach (DataLink link in TakeLinks())
        {
            link.Abort();
        }
    }

    /// <summary>
    /// Ends as <see cref="Dispose"/> does, but leaves the links to the secondary open until it has heard on the control
    /// link that it is the primary now: a link that breaks before that looks like the loss of this host.
    /// </summary>
    public void HandOver()
    {
        handingOver = true;
        End();
    }

    private void End()
    {
        Interlocked.Exchange(ref reported, 1);
        ending.Cancel();
        work.Complete();
    }

    private DataLink[] TakeLinks()
    {
        lock (links)
        {
            return [.. links];
        }
    }

    private void Post(Action action)
    {
        // Not taken when the session has ended; whoever asked hears of that, or asked for it.
        _ = work.Add(action);
    }

    private void Run()
    {
        try
        {
            foreach (PrimarySession other in before)
            {
                other.Join();
            }

            before = [];
            if (!Connect())
            {
                LinkLost(ReplicationChannel.Control);
                return;
            }

            while (!ending.IsCancellationRequested)
            {
                TimeSpan wait = SendAhead();
                if (work.TryTake(out Action? action, wait))
                {
                    action();
                }
                else if (work.IsCompleted)
                {
                    break;
                }
            }
        }
        catch (Exception problem) when (problem is IOException or ObjectDisposedException or OperationCanceledException)
        {
            LinkLost(ReplicationChannel.Control);
        }
        catch (InvariantViolationException broken)
        {
            // As in the actors: with half a state the peer must have the guest.
            setup.Log($"session with {setup.Peer}: {broken}");
            setup.Report(new MachineFailed(broken.Message));
        }
        catch (Exception problem)
        {
            // This thread's outermost frame: what a copy or a checkpoint did not foresee is the end of this session,
            // not of the guest, whose only copy may be here.
            setup.Log($"session with {setup.Peer}: {problem}");
            LinkLost(ReplicationChannel.Checkpoint);
        }
        finally
        {
            using IDisposable? mirror = network.StopPrimary(this);
            if (!handingOver)
            {
                disks.StopExpecting();
            }

            if (handingOver)
            {
                dismissed.Wait(HandOverTime);
            }

            sender?.Dispose();
            foreach (DataLink link in TakeLinks())
            {
                link.Dispose();
            }
        }
    }

    private TimeSpan SendAhead()
    {
        // In this order: after an end the guest may be allowed to run as a secondary's.
        if (precopy is null || copying || !sender!.PeerIsReplica || !guest.MayRun || ending.IsCancellationRequested)
        {
            return TimeSpan.FromMilliseconds(500);
        }

        PrecopyStep step = precopy.Step(new CheckpointStamp((ulong)setup.Term.Value, lastEpoch + 1), ending.Token);
        if (step.LinkLost)
        {
            LinkLost(ReplicationChannel.Checkpoint);
        }

        return step.Delay > TimeSpan.Zero ? step.Delay : TimeSpan.Zero;
    }

    private bool Connect()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ending.Token);
        limit.CancelAfter(ConnectTimeout);
        DataLink control = Open(LinkKind.CheckpointControl, 0, limit.Token);
        var pages = new List<Stream>();
        for (int channel = 0; channel < setup.PageChannels; channel++)
        {
            pages.Add(Open(LinkKind.CheckpointPages, channel, limit.Token).Stream);
        }

        DataLink mirror = Open(LinkKind.Mirror, 0, limit.Token);
        DataLink compare = Open(LinkKind.Compare, 0, limit.Token);
        var drives = new List<Stream>();
        for (int disk = 0; disk < disks.PairedCount; disk++)
        {
            drives.Add(Open(LinkKind.Disk, disk, limit.Token).Stream);
        }

        CheckpointLink? link = CheckpointLink.TryOpen(setup.LinkParameters(LinkRole.Primary, guest.Ram), control.Stream, pages, out string error);
        if (link is null)
        {
            setup.Log($"checkpoint link to {setup.Peer}: {error}");
            return false;
        }

        sender = new PrimaryCheckpointSender(
            new WatchedMachine(guest, this), link, setup.PrimaryOptions, this, setup.Time);
        if (!sender.WaitUntilReady(limit.Token))
        {
            return false;
        }

        if (sender.PeerIsReplica && !setup.Exchanged)
        {
            setup.Log(
                $"checkpoint link to {setup.Peer}: it says that it stands at this guest's state, which it has not got");
            return false;
        }

        precopy = new BackgroundPrecopy(sender, setup.Precopy);
        network.StartPrimary(
            this, mirror.Stream, compare.Stream, () => LinkLost(ReplicationChannel.Mirror), mirror.HasRoom);
        return disks.Connect(drives, setup.Term, lastEpoch, () => LinkLost(ReplicationChannel.Disk));
    }

    private DataLink Open(LinkKind kind, int channel, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                var open = new LinkOpen(kind, channel, setup.Vm.Name, (ulong)setup.Term.Value, setup.Self.Host.Name);
                DataLink link = LinkConnector.ConnectAsync(setup.PeerAddress, open, setup.Security, cancellation).GetAwaiter().GetResult();
                lock (links)
                {
                    links.Add(link);
                }

                return link;
            }
            catch (Exception problem) when (problem is IOException or System.Net.Sockets.SocketException)
            {
                // The joiner may not have heard of its invitation yet.
                if (cancellation.WaitHandle.WaitOne(ConnectRetry))
                {
                    throw new OperationCanceledException(problem.Message, problem);
                }
            }
        }
    }

    private void LinkLost(ReplicationChannel channel)
    {
        if (Interlocked.Exchange(ref reported, 1) == 0)
        {
            setup.Report(new ReplicationLinkLost(new HostIdentity(setup.Peer, default), channel, setup.Term));
        }
    }
}
