using Colo.Actors.Checkpoint;
using Colo.Actors.Failover;
using Colo.Actors.Protocol;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Checkpoint.Secondary;
using Colo.Vmm.Links;

namespace Colo.Actors.Vm.Embedded;

/// <summary>
/// One session of a secondary with its primary: takes the links that the primary opens, receives images, and brings
/// them into force when the core says so. The commit is the core's: the receiver asks here and waits for
/// <see cref="Commit"/> or <see cref="Discard"/>.
/// After an exchange of roles the guest stands at the handover's image until the receiver is there to keep that image
/// beside what the guest writes: a host of the pair must have a whole state at any moment (S5).
/// </summary>
internal sealed class SecondarySession : ISecondaryCheckpointHooks, IDisposable
{
    private readonly SessionSetup setup;
    private readonly GuestMachine guest;
    private readonly GuestNetwork network;
    private readonly DiskSet disks;
    // Its guest changes pages without a message passing here; a few of these intervals' writes are what the bound may
    // be missed by.
    private static readonly TimeSpan BoundsInterval = TimeSpan.FromMilliseconds(100);

    private readonly object gate = new();
    private readonly DataLink?[] pages;
    private readonly List<DataLink> taken = [];
    private DataLink? control;
    private DataLink? mirror;
    private DataLink? compare;
    private SecondaryCheckpointReceiver? receiver;
    private ITimer? bounds;
    private bool started;
    private bool ended;
    private bool holds;
    private ulong? asked;
    private bool? decision;
    private int reported;

    public SecondarySession(SessionSetup setup, GuestMachine guest, GuestNetwork network, DiskSet disks)
    {
        this.setup = setup;
        this.guest = guest;
        this.network = network;
        this.disks = disks;
        pages = new DataLink?[setup.PageChannels];
        if (setup.Exchanged)
        {
            holds = true;
            guest.PauseForCapture();
        }
    }

    public Term Term => setup.Term;

    /// <summary>Whether the session still lacks this link.</summary>
    public bool Expects(LinkOpen open)
    {
        lock (gate)
        {
            return !ended && open.Host == setup.Peer.Name && open.Kind switch
            {
                LinkKind.CheckpointControl => control is null,
                LinkKind.CheckpointPages => open.Channel < pages.Length && pages[open.Channel] is null,
                LinkKind.Mirror => mirror is null,
                LinkKind.Compare => compare is null,
                LinkKind.Disk => open.Channel < disks.PairedCount,
                _ => false,
            };
        }
    }

    public void Take(DataLink link)
    {
        lock (gate)
        {
            if (ended)
            {
                link.Dispose();
                return;
            }

            taken.Add(link);
            switch (link.Open.Kind)
            {
                case LinkKind.CheckpointControl: control = link; break;
                case LinkKind.CheckpointPages: pages[link.Open.Channel] = link; break;
                case LinkKind.Mirror: mirror = link; break;
                case LinkKind.Compare: compare = link; break;
                case LinkKind.Disk:
                    disks.Receive(link.Open.Channel, link.Stream, setup.Term, () => LinkLost(ReplicationChannel.Disk));
                    break;
                default: link.Dispose(); break;
            }

            if (started || control is null || mirror is null || compare is null || Array.Exists(pages, link => link is null))
            {
                return;
            }

            started = true;
        }

        new Thread(Start) { IsBackground = true, Name = $"colo session {setup.Vm}" }.Start();
    }

    /// <summary>The core has chosen the staged image.</summary>
    public void Commit(Epoch epoch) => Decide(epoch, true);

    /// <summary>The core gives the image up.</summary>
    public void Discard(Epoch epoch) => Decide(epoch, false);

    void ISecondaryCheckpointHooks.Paused(CheckpointStamp stamp)
    {
        lock (gate)
        {
            asked = null;
            decision = null;
        }

        network.Expect((long)stamp.Epoch);
    }

    bool ISecondaryCheckpointHooks.TryCommit(CheckpointStamp stamp)
    {
        lock (gate)
        {
            asked = stamp.Epoch;
            if (decision is null)
            {
                setup.Report(new ImageStaged(new Epoch((long)stamp.Epoch)));
            }

            while (decision is null && !ended)
            {
                System.Threading.Monitor.Wait(gate);
            }

            return decision == true;
        }
    }

    void ISecondaryCheckpointHooks.Loaded(CheckpointStamp stamp)
    {
        network.Tag((long)stamp.Epoch);
        string? problem = disks.Checkpoint(stamp.Epoch);
        var epoch = new Epoch((long)stamp.Epoch);
        setup.Report(problem is null ? new ImageLoaded(epoch) : new LoadFailed(epoch, problem));
    }

    void ISecondaryCheckpointHooks.Aborted(CheckpointStamp stamp, AbortReason reason)
    {
        bool own;
        lock (gate)
        {
            own = decision == false;
        }

        network.Expect(null);

        if (!own)
        {
            setup.Report(new ImageBroken(new Epoch((long)stamp.Epoch), reason.ToString()));
        }
    }

    void ISecondaryCheckpointHooks.LoadFailed(CheckpointStamp stamp, string error) =>
        setup.Report(new LoadFailed(new Epoch((long)stamp.Epoch), error));

    void ISecondaryCheckpointHooks.CheckpointWanted(CheckpointWantedReason reason)
    {
        // The receiver has told the primary's sender on its own link.
    }

    void ISecondaryCheckpointHooks.LinkLost(LinkFailure failure) => LinkLost(ReplicationChannel.Checkpoint);

    /// <summary>Ends the session: what was committed is loaded when this returns, anything else is thrown
    /// away.</summary>
    public void Dispose()
    {
        Interlocked.Exchange(ref reported, 1);
        lock (gate)
        {
            ended = true;
            LetGo();
            System.Threading.Monitor.PulseAll(gate);
        }

        bounds?.Dispose();
        // First: the receiver's threads wait in reads, and a primary that is silent or hands over does not end those.
        taken.ForEach(link => link.Abort());
        receiver?.Dispose();
        network.StopSecondary(this);
        taken.ForEach(link => link.Dispose());
    }

    private void Start()
    {
        CheckpointLink? link = CheckpointLink.TryOpen(
            setup.LinkParameters(LinkRole.Secondary, guest.Ram), control!.Stream, [.. pages.Select(page => page!.Stream)], out string error);
        if (link is null)
        {
            setup.Log($"checkpoint link of {setup.Peer}: {error}");
            LinkLost(ReplicationChannel.Control);
            return;
        }

        lock (gate)
        {
            if (ended)
            {
                link.Dispose();
                return;
            }

            receiver = new SecondaryCheckpointReceiver(guest, link, setup.SecondaryOptions, this, setup.Time);
        }

        if (receiver.SpillProblem is { } problem)
        {
            setup.Log($"{problem}; staged pages stay in memory");
        }

        lock (gate)
        {
            // Under the lock to the end: a network given to a session that has ended stays a replica's for ever.
            if (ended)
            {
                return;
            }

            network.StartSecondary(
                this, mirror!.Stream, compare!.Stream, () => LinkLost(ReplicationChannel.Mirror), compare.HasRoom);
            receiver.Start(isReplica: setup.Exchanged);
            LetGo();
            bounds = setup.Time.CreateTimer(
                static state => ((SecondaryCheckpointReceiver)state!).CheckBounds(), receiver, BoundsInterval,
                BoundsInterval);
        }
    }

    /// <summary>The guest goes on, if it may, from where the exchange has left it.</summary>
    private void LetGo()
    {
        if (holds)
        {
            holds = false;
            guest.Resume();
        }
    }

    private void Decide(Epoch epoch, bool commit)
    {
        lock (gate)
        {
            if (asked is null || asked == (ulong)epoch.Value)
            {
                decision = commit;
                System.Threading.Monitor.PulseAll(gate);
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
