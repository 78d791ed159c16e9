using Colo.Actors.Protocol;

namespace Colo.Actors.Checkpoint;

// Between the hosts. Names as in QEMU's protocol, so that traces can be laid side by side; every one carries the epoch.

/// <summary>Secondary to primary, once per session: ready to receive. <paramref name="Attempt"/> is the
/// invitation's.</summary>
public sealed record CheckpointReady(HostIdentity From, Term Term, long Attempt) : PeerMessage(From, Term), IPrimaryCheckpointInput;

/// <summary>Primary to secondary: pause. <paramref name="Epoch"/> is the number of the checkpoint that
/// begins.</summary>
public sealed record CheckpointRequest(HostIdentity From, Term Term, Epoch Epoch, CheckpointReason Reason)
    : PeerMessage(From, Term), ISecondaryCheckpointInput;

/// <summary>Secondary to primary: paused.</summary>
public sealed record CheckpointReply(HostIdentity From, Term Term, Epoch Epoch) : PeerMessage(From, Term), IPrimaryCheckpointInput;

/// <summary>Primary to secondary: captured; the image follows on the data channels.</summary>
public sealed record VmStateSend(HostIdentity From, Term Term, Epoch Epoch) : PeerMessage(From, Term), ISecondaryCheckpointInput;

/// <summary>Primary to secondary: everything was sent, and this is how much it was.</summary>
public sealed record VmStateSize(HostIdentity From, Term Term, Epoch Epoch, long PageCount, long DeviceStateBytes)
    : PeerMessage(From, Term), ISecondaryCheckpointInput;

/// <summary>Secondary to primary: everything is here, verified and chosen. The commit point.</summary>
public sealed record VmStateReceived(HostIdentity From, Term Term, Epoch Epoch) : PeerMessage(From, Term), IPrimaryCheckpointInput;

/// <summary>Secondary to primary: running from the image.</summary>
public sealed record VmStateLoaded(HostIdentity From, Term Term, Epoch Epoch) : PeerMessage(From, Term), IPrimaryCheckpointInput;

/// <summary>Secondary to primary: the image was incomplete or damaged; the secondary goes on from its own
/// state.</summary>
public sealed record CheckpointRejected(HostIdentity From, Term Term, Epoch Epoch, string Reason)
    : PeerMessage(From, Term), IPrimaryCheckpointInput;

/// <summary>Secondary to primary: please checkpoint (its disk buffer is near the bound, its guest reset).</summary>
public sealed record CheckpointWanted(HostIdentity From, Term Term, CheckpointReason Reason)
    : PeerMessage(From, Term), IPrimaryCheckpointInput;

/// <summary>Primary to secondary: the switchover is off; both resume in their roles from image
/// <paramref name="Epoch"/>.</summary>
public sealed record CheckpointResume(HostIdentity From, Term Term, Epoch Epoch) : PeerMessage(From, Term), ISecondaryCheckpointInput;

// From the failover controller to the primary's core.

/// <summary>Begin to replicate to <paramref name="Peer"/>.</summary>
/// <param name="Attempt">Names this session; the joiner's <see cref="CheckpointReady"/> repeats it.</param>
/// <param name="Epoch">A lower bound of the epochs used so far; the first checkpoint takes a higher one.</param>
/// <param name="InSync">True when the peer already has image <paramref name="Epoch"/> (switchover), false when it
/// joins.</param>
public sealed record StartPrimarySession(HostIdentity Peer, Term Term, long Attempt, Epoch Epoch, bool InSync)
    : Message, IPrimaryCheckpointInput;

/// <summary>The arbiter has the pair: from now on an acknowledged checkpoint is a permit.</summary>
public sealed record PrimaryPaired(Term Term) : Message, IPrimaryCheckpointInput;

/// <summary>Stop replicating; give up a checkpoint in flight.</summary>
/// <param name="Resume">A guest that stands paused for a switchover goes on (false when the roles were exchanged or it
/// is discarded).</param>
public sealed record EndPrimarySession(bool Resume, string Reason) : Message, IPrimaryCheckpointInput;

/// <summary>Something asks for a checkpoint. Any number of them before the next capture are one.</summary>
/// <param name="About">Tag of the frame that caused it; a checkpoint in flight that already covers it is enough. Null:
/// take a new one.</param>
public sealed record CheckpointTrigger(CheckpointReason Reason, Epoch? About = null) : Message, IPrimaryCheckpointInput;

/// <summary>The switchover did not happen; go on as primary.</summary>
public sealed record SwitchoverCancelled(string Reason) : Message, IPrimaryCheckpointInput;

public sealed record SetReplicationMode(ReplicationMode Mode) : Message, IPrimaryCheckpointInput;

// From the machine and the sender on the primary.

/// <summary>The PVM was paused, its device state taken, its dirty pages frozen, and (unless asked otherwise) it runs
/// again.</summary>
public sealed record StateCaptured(Epoch Epoch, long PageCount, long DeviceStateBytes, TimeSpan Pause)
    : Message, IPrimaryCheckpointInput;

/// <summary>All bytes of the image are handed to the links.</summary>
public sealed record ImageSent(Epoch Epoch) : Message, IPrimaryCheckpointInput;

/// <summary>The machine or the sender could not do it; the secondary has to take over or to be given up.</summary>
public sealed record CaptureFailed(Epoch Epoch, string Reason) : Message, IPrimaryCheckpointInput;

// From the failover controller to the secondary's core.

/// <summary>Be the target of a join: no guest yet.</summary>
public sealed record StartSecondarySession(HostIdentity Peer, Term Term, long Attempt) : Message, ISecondaryCheckpointInput;

/// <summary>The roles were exchanged: this host's guest stands paused at image <paramref name="Epoch"/>, and so does
/// the peer's.</summary>
public sealed record ContinueAsSecondary(HostIdentity Peer, Term Term, Epoch Epoch) : Message, ISecondaryCheckpointInput;

/// <summary>The pair is in force in this term.</summary>
public sealed record SecondaryPaired(Term Term) : Message, ISecondaryCheckpointInput;

/// <summary>The primary is lost: finish or discard what is in flight and say where the guest stands.</summary>
public sealed record SettleSecondary : Message, ISecondaryCheckpointInput;

/// <summary>Throw the replica away (refused by the arbiter, evicted, unprotected) or, after a switchover, forget the
/// role only.</summary>
public sealed record EndSecondarySession(bool KeepGuest, string Reason) : Message, ISecondaryCheckpointInput;

// From the machine and the receiver on the secondary.

/// <summary>The SVM stands at an instruction boundary.</summary>
public sealed record GuestPaused : Message, ISecondaryCheckpointInput;

/// <summary>All pages and the device state of the image are staged; length, count and checksums are right.</summary>
public sealed record ImageStaged(Epoch Epoch) : Message, ISecondaryCheckpointInput;

/// <summary>The image cannot become complete, or a checksum is wrong.</summary>
public sealed record ImageBroken(Epoch Epoch, string Reason) : Message, ISecondaryCheckpointInput;

/// <summary>The disk stream's barrier has arrived: all forwarded writes before the capture are on this host.</summary>
public sealed record DiskBarrierReached(Epoch Epoch) : Message, ISecondaryCheckpointInput;

/// <summary>The SVM stands, paused, at the image; the old disk generation is dropped and the rewriter reset.</summary>
public sealed record ImageLoaded(Epoch Epoch) : Message, ISecondaryCheckpointInput;

/// <summary>The image was committed and could not be loaded: this host's replica is worthless.</summary>
public sealed record LoadFailed(Epoch Epoch, string Reason) : Message, ISecondaryCheckpointInput;
