using Colo.Actors.Arbiter;
using Colo.Actors.Checkpoint;
using Colo.Actors.Disk;

namespace Colo.Actors.Protocol;

/// <summary>
/// Everything that a core can want done; a closed set. The driver carries effects out in the order given. Where a case
/// names a message, the result comes back as that message to the core that asked.
/// </summary>
public abstract record Effect
{
    private Effect()
    {
    }

    // Talking.

    /// <summary>To the core of the same VM on another host, in order, lost only together with the link.</summary>
    public sealed record Send(HostId To, PeerMessage Message) : Effect;

    /// <summary>To another core of this VM on this host, after the present decision; never lost.</summary>
    public sealed record Tell(CoreName To, Message Message) : Effect;

    /// <summary>Comes back as <see cref="TimerFired"/> to the core that asked; replaces a running timer of the same
    /// name.</summary>
    public sealed record StartTimer(TimerName Name, long Generation, TimeSpan After) : Effect;

    public sealed record StopTimer(TimerName Name) : Effect;

    /// <summary>Null proposal: read. Comes back as <c>ArbiterAnswered</c> with the number, always, if need be with
    /// Unknown.</summary>
    public sealed record AskArbiter(long Request, ArbiterProposal? Proposal) : Effect;

    /// <summary>A record learned from the peer. Matters only where the arbiter is the operator and each host keeps its
    /// own note.</summary>
    public sealed record NoteRecord(ArbiterRecord Record) : Effect;

    // The guest.

    /// <summary>Boot from this host's disk. Comes back as <c>GuestBooted</c>.</summary>
    public sealed record BootGuest(Epoch Epoch) : Effect;

    /// <summary>Comes back as <c>GuestPaused</c>.</summary>
    public sealed record PauseGuest : Effect;

    public sealed record ResumeGuest : Effect;

    /// <summary>Stop the guest, forget its memory and every frame it made, close the data links of this VM.</summary>
    public sealed record DiscardGuest(string Reason) : Effect;

    // Checkpoints, primary.

    /// <summary>
    /// Pause; give every frame already produced, every input already mirrored and every disk write already forwarded
    /// the old tag; take the device state; freeze the dirty pages copy-on-write; send disk barrier
    /// <paramref name="Epoch"/>; tag everything from now on with
    /// <paramref name="Epoch"/>; resume if told. Comes back as <see cref="StateCaptured"/> or
    /// <see cref="CaptureFailed"/>.
    /// </summary>
    public sealed record CaptureState(Epoch Epoch, bool ResumeAfter) : Effect;

    /// <summary>Stream the frozen pages and the device state. Comes back as <see cref="ImageSent"/> or
    /// <see cref="CaptureFailed"/>.</summary>
    public sealed record SendImage(Epoch Epoch, HostId To) : Effect;

    /// <summary>Stop streaming; the pages of this image count as dirty again.</summary>
    public sealed record AbortImage(Epoch Epoch) : Effect;

    // Checkpoints, secondary.

    /// <summary>Stage what arrives for this image. Comes back as <see cref="ImageStaged"/> or
    /// <see cref="ImageBroken"/>.</summary>
    public sealed record StageImage(Epoch Epoch) : Effect;

    /// <summary>Throw the staged image away; pages that came ahead of it stay staged.</summary>
    public sealed record DiscardImage(Epoch Epoch) : Effect;

    /// <summary>
    /// Guest paused: reset devices, flush staged pages, load device state, drop disk generations below
    /// <paramref name="Epoch"/>, reset the rewriter, tag from now on with <paramref name="Epoch"/>, give the guest its
    /// queued requests of this epoch when it resumes. Comes back as <see cref="ImageLoaded"/> or
    /// <see cref="LoadFailed"/>.
    /// </summary>
    public sealed record LoadImage(Epoch Epoch) : Effect;

    // The way out. See OutputGate for what each does.

    public sealed record CloseGate(string Reason) : Effect;

    public sealed record OpenSoloGate(ArbiterRecord Record) : Effect;

    /// <summary>Solo is given up; the joiner is not yet in the set. Must take hold before the capture that follows
    /// it.</summary>
    public sealed record BeginJoinGate : Effect;

    /// <param name="Acknowledged">The last checkpoint that the secondary is known to have committed.</param>
    public sealed record OpenPairGate(ArbiterRecord Record, Epoch Acknowledged) : Effect;

    public sealed record AcknowledgeAtGate(Epoch Epoch) : Effect;

    // Network and replication links.

    /// <summary>Connect this VM's data links to the peer and start what the role needs (mirror and comparer, or
    /// rewriter).</summary>
    public sealed record ConnectReplication(HostId Peer, Term Term, bool AsPrimary) : Effect;

    /// <summary>Close this VM's data links; the other side sees <c>ReplicationLinkLost</c>. Its heartbeat links
    /// stay.</summary>
    public sealed record DisconnectReplication(string Reason) : Effect;

    /// <summary>Be the VM's place in the LAN; announce its MAC when told (gratuitous ARP, unsolicited NA).</summary>
    public sealed record AttachNetwork(Term Term, bool Announce) : Effect;

    public sealed record DetachNetwork : Effect;

    /// <summary>Compare answers, or only hold them for the next checkpoint.</summary>
    public sealed record SetComparing(bool Enabled) : Effect;

    // Disk.

    public sealed record ForwardDiskWrites(HostId Peer, Term Term) : Effect;

    /// <summary>
    /// Stop forwarding; keep a persistent bitmap of changed ranges that begins with this term and has everything
    /// written since the last acknowledged checkpoint. The same term again goes on with the same bitmap.
    /// </summary>
    public sealed record RecordDiskWrites(Term Since) : Effect;

    public sealed record ReceiveDiskWrites(HostId Peer, Term Term) : Effect;

    /// <summary>
    /// Survivor: make the disk what its guest saw: undo forwarded writes above <paramref name="Epoch"/>, apply the
    /// guest's own. Repeatable after a crash at any point (S11). Comes back as <c>DiskMerged</c>.
    /// </summary>
    public sealed record MergeDiskBuffer(Epoch Epoch) : Effect;

    /// <summary>No guest here any more: the disk is stale from now on and marked so durably.</summary>
    public sealed record IdleDisk : Effect;

    /// <summary>Comes back as DiskCopyProgress and DiskCopyDone, or ResyncChannelFailed.</summary>
    public sealed record CopyDisk(HostId Peer, DiskCopyPlan Plan) : Effect;

    /// <summary>One pass over the dirty pages, or all of them. Comes back as MemoryRoundDone or
    /// ResyncChannelFailed.</summary>
    public sealed record CopyMemoryRound(HostId Peer, int Round) : Effect;

    public sealed record StopCopy : Effect;

    /// <summary>Let the guest run this share of the time, so that the copy can win; 100 is no throttle.</summary>
    public sealed record ThrottleGuest(int Percent) : Effect;

    // Telling the outside.

    public sealed record RunHook(string Name, Term Term, string Detail) : Effect;

    public sealed record CompleteCommand(CommandId Id, CommandResult Result, string Text) : Effect;

    public sealed record ReportStatus(VmStatus Status) : Effect;

    public sealed record Emit(HostEvent Event) : Effect;
}
