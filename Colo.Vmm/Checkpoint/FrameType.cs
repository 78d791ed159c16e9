namespace Colo.Vmm.Checkpoint;

/// <summary>
/// Type byte of a frame on a checkpoint link. The first seven are QEMU COLO's messages under their names; the
/// others are ours. Zero is no type, so that a zeroed buffer can never pass for a frame. Layouts:
/// docs/protocol-checkpoint.md.
/// </summary>
public enum FrameType : byte
{
    None = 0,

    /// <summary>Secondary to primary, once: I am ready for checkpoints, and this much can I stage.</summary>
    CheckpointReady = 1,

    /// <summary>Primary to secondary: pause, a checkpoint begins.</summary>
    CheckpointRequest = 2,

    /// <summary>Secondary to primary: my machine stands.</summary>
    CheckpointReply = 3,

    /// <summary>Primary to secondary: all pages are sent. Payload: nanoseconds since the guest went on after the
    /// capture.</summary>
    VmStateSend = 4,

    /// <summary>Primary to secondary: how many pages and device bytes belong to this checkpoint.</summary>
    VmStateSize = 5,

    /// <summary>Secondary to primary: everything is here and verified, and I have chosen it. The commit
    /// point.</summary>
    VmStateReceived = 6,

    /// <summary>Secondary to primary: my machine is at the checkpoint's state.</summary>
    VmStateLoaded = 7,

    /// <summary>Either way: this checkpoint will not be. Payload: a reason byte.</summary>
    CheckpointAbort = 8,

    /// <summary>Primary to secondary: one piece of the device state.</summary>
    VmStateData = 9,

    /// <summary>Secondary to primary: please take a checkpoint soon. Payload: a reason byte.</summary>
    CheckpointWanted = 10,

    /// <summary>Primary to secondary: forget what you have, all memory follows; stop your machine.</summary>
    LiveStart = 11,

    /// <summary>Secondary to primary: ready for all memory; says whether page hashes follow.</summary>
    LiveStartReply = 12,

    /// <summary>Secondary to primary: hashes of consecutive pages that I hold.</summary>
    PageHashes = 13,

    /// <summary>Page channel: pages of a checkpoint.</summary>
    PageChunk = 16,

    /// <summary>Page channel: pages sent ahead of the checkpoint they belong to.</summary>
    PagePrecopy = 17,

    /// <summary>Page channel: the channel's last frame of a checkpoint, with what it sent.</summary>
    PagesEnd = 18,
}
