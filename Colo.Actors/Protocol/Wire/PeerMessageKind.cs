namespace Colo.Actors.Protocol.Wire;

/// <summary>Numbers of the peer messages on the wire; never reused, zero is invalid.</summary>
public enum PeerMessageKind
{
    CheckpointReady = 1,
    CheckpointRequest = 2,
    CheckpointReply = 3,
    VmStateSend = 4,
    VmStateSize = 5,
    VmStateReceived = 6,
    VmStateLoaded = 7,
    CheckpointRejected = 8,
    CheckpointWanted = 9,
    CheckpointResume = 10,

    JoinOffer = 20,
    JoinInvite = 21,
    PairEstablished = 22,
    PairConfirmed = 23,
    PairDissolved = 24,
    LeaveNotice = 25,
    SwitchoverGranted = 26,
    GuestEndNotice = 27,
    GuestEndAgreed = 28,
    SwitchoverWanted = 29,
}
