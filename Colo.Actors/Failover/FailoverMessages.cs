using Colo.Actors.Arbiter;
using Colo.Actors.Protocol;

namespace Colo.Actors.Failover;

// From the node.

/// <summary>The process has started; nothing is known yet.</summary>
public sealed record NodeStarted : Message, IFailoverInput;

/// <summary>The answer to <see cref="Effect.AskArbiter"/> with the same number.</summary>
public sealed record ArbiterAnswered(long Request, ArbiterAnswer Answer) : Message, IFailoverInput;

/// <summary>The heartbeat monitor gives a peer up.</summary>
public sealed record PeerLost(HostIdentity Peer, LossEvidence Evidence) : Message, IFailoverInput;

/// <summary>
/// A peer is heard for the first time, again, in a new life, or with other facts than before; repeated every second
/// while it is heard, because a core may have been busy with something else the first time.
/// </summary>
/// <param name="Term">Term of the newest record that the peer knows (<c>VmProtocol.KnownTerm</c>); zero when it knows
/// none.</param>
/// <param name="HoldsGuest">What the peer's <c>VmProtocol.HoldsGuest</c> said in that heartbeat.</param>
public sealed record PeerSeen(HostIdentity Peer, Term Term, bool HoldsGuest) : Message, IFailoverInput;

/// <summary>Whether this host and the peer reach the gateway: is it me who is cut off?</summary>
public sealed record GatewayChanged(bool Reachable, bool PeerReaches) : Message, IFailoverInput;

/// <summary>A replication channel to the peer broke.</summary>
/// <param name="Session">
/// Term of the <see cref="Effect.ConnectReplication"/> that the channel belonged to; zero when the mechanism does not
/// know. The end of a session that is past says nothing about the present one: when roles are exchanged, the old links
/// may break before anybody has let go of them.
/// </param>
public sealed record ReplicationLinkLost(HostIdentity Peer, ReplicationChannel Channel, Term Session = default) : Message, IFailoverInput;

/// <summary>The guest ended by itself on this host.</summary>
public sealed record GuestEnded(GuestEnd End) : Message, IFailoverInput;

/// <summary>The machine or another part that cannot be repaired failed here: let the peer have it.</summary>
public sealed record MachineFailed(string Reason) : Message, IFailoverInput;

/// <summary>Which other hosts are fit to hold the second copy, the best one first. Comes about once a second from who
/// knows the hosts' memory; a host that is not named can still join when there is no other.</summary>
public sealed record JoinersRanked(IReadOnlyList<HostId> Order) : Message, IFailoverInput;

/// <summary>The disk buffer is merged into the disk; the survivor's disk stands alone.</summary>
public sealed record DiskMerged : Message, IFailoverInput;

/// <summary>The guest booted by <see cref="Effect.BootGuest"/> runs, or could not be started.</summary>
public sealed record GuestBooted(bool Success, string Reason) : Message, IFailoverInput;

// From the other cores of the VM.

/// <summary>The joiner is ready to receive.</summary>
public sealed record JoinerReady(HostIdentity Peer) : Message, IFailoverInput;

/// <summary>The joining checkpoint is loaded on the joiner.</summary>
public sealed record JoinCheckpointLoaded(HostIdentity Peer, Epoch Epoch) : Message, IFailoverInput;

/// <summary>The last checkpoint before the exchange is loaded; both guests stand at it, paused.</summary>
public sealed record SwitchoverCheckpointLoaded(Epoch Epoch) : Message, IFailoverInput;

/// <summary>
/// A machine whose secondary cannot be made primary in place (QEMU) has taken the last checkpoint before a switchover:
/// this host lets go, and the secondary takes over as if it were lost.
/// </summary>
public sealed record GuestHandedOver(string Detail) : Message, IFailoverInput;

/// <summary>The primary's core cannot go on with this peer.</summary>
public sealed record CheckpointStalled(HostIdentity Peer, string Phase) : Message, IFailoverInput;

/// <summary>The secondary's guest stands at one history: its own since <paramref name="Epoch"/>, or exactly that
/// image.</summary>
/// <param name="Usable">False when there is no complete guest here (joiner before its first image, or a failed
/// load).</param>
public sealed record SecondarySettled(Epoch Epoch, bool Usable) : Message, IFailoverInput;

/// <summary>The joiner's replica on this host failed for good.</summary>
public sealed record SecondaryFailed(string Reason) : Message, IFailoverInput;

/// <summary>Disk and memory of the joiner are close enough for the joining checkpoint.</summary>
/// <param name="Disk">What the copy of the disks took; empty without disks. Behind it what the copy of memory has left,
/// when that is much.</param>
public sealed record ResyncConverged(HostIdentity Peer, string Disk = "") : Message, IFailoverInput;

public sealed record ResyncFailed(HostIdentity Peer, string Reason) : Message, IFailoverInput;

// Between the hosts.

/// <summary>Parked host to everybody who might own the VM: I can be the secondary.</summary>
public sealed record JoinOffer(HostIdentity From, Term Term, DiskLineage Disk) : PeerMessage(From, Term), IFailoverInput;

/// <summary>Owner to a joiner: get ready; <paramref name="Attempt"/> names this session.</summary>
public sealed record JoinInvite(HostIdentity From, Term Term, long Attempt) : PeerMessage(From, Term), IFailoverInput;

/// <summary>Owner to a joiner: you are in the arbiter's set now.</summary>
public sealed record PairEstablished(HostIdentity From, Term Term, ArbiterRecord Record) : PeerMessage(From, Term), IFailoverInput;

/// <summary>Joiner to the owner: known; nothing of the old term comes after this.</summary>
public sealed record PairConfirmed(HostIdentity From, Term Term) : PeerMessage(From, Term), IFailoverInput;

/// <summary>To a former member: the record has moved on without you.</summary>
public sealed record PairDissolved(HostIdentity From, Term Term, ArbiterRecord Record) : PeerMessage(From, Term), IFailoverInput;

/// <summary>Secondary to primary: I leave (drain, sick). The primary evicts it by the arbiter.</summary>
public sealed record LeaveNotice(HostIdentity From, Term Term, string Reason) : PeerMessage(From, Term), IFailoverInput;

/// <summary>Primary to secondary: the arbiter has exchanged our roles.</summary>
public sealed record SwitchoverGranted(HostIdentity From, Term Term, ArbiterRecord Record, Epoch Epoch)
    : PeerMessage(From, Term), IFailoverInput;

/// <summary>Primary to secondary: the guest ended by itself or by order; stop yours.</summary>
public sealed record GuestEndNotice(HostIdentity From, Term Term, GuestEnd End) : PeerMessage(From, Term), IFailoverInput;

/// <summary>Secondary to primary: mine is stopped too.</summary>
public sealed record GuestEndAgreed(HostIdentity From, Term Term) : PeerMessage(From, Term), IFailoverInput;

/// <summary>Secondary to primary: my owner wants the roles exchanged (drain, gateway lost on your side).</summary>
public sealed record SwitchoverWanted(HostIdentity From, Term Term, string Reason) : PeerMessage(From, Term), IFailoverInput;
