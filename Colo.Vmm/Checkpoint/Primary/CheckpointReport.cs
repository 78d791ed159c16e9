namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>How a checkpoint ended, seen from the primary.</summary>
public enum CheckpointStatus
{
    /// <summary>Committed, and the secondary runs from it.</summary>
    Loaded,

    /// <summary>Committed; the link was lost before the secondary said that it had loaded it.</summary>
    CommittedThenLost,

    /// <summary>Given up by agreement; the secondary goes on as if it had never begun, the link is whole.</summary>
    Aborted,

    /// <summary>The link was lost before everything was sent: the secondary can't have committed.</summary>
    LinkLost,

    /// <summary>The link was lost after everything was sent: the secondary may have committed or not.</summary>
    Unresolved,
}

/// <summary>What one checkpoint did and what it cost.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Stamp">Which it was.</param>
/// <param name="Abort">Why, when it was aborted.</param>
/// <param name="Failure">Why, when the link was lost.</param>
/// <param name="RequestTime">Until the secondary's guest stood.</param>
/// <param name="PauseTime">How long the primary's guest stood.</param>
/// <param name="SendTime">From the capture to the last byte handed to the transport.</param>
/// <param name="AcknowledgeTime">From then to vmstate-received.</param>
/// <param name="LoadTime">From then to vmstate-loaded.</param>
/// <param name="BytesSent">Bytes written to all channels.</param>
/// <param name="DeviceBytes">Length of the device state.</param>
/// <param name="DirtyPages">Pages in the capture.</param>
/// <param name="SentAheadPages">Pages that were staged already and needed no sending.</param>
/// <param name="CopiedPages">Pages that the guest wrote before they were sent, so that they had to be copied.</param>
/// <param name="Pages">Pages of the capture by kind.</param>
public sealed record CheckpointReport(
    CheckpointStatus Status, CheckpointStamp Stamp, AbortReason Abort, LinkFailure Failure,
    TimeSpan RequestTime, TimeSpan PauseTime, TimeSpan SendTime, TimeSpan AcknowledgeTime, TimeSpan LoadTime,
    long BytesSent, int DeviceBytes, int DirtyPages, int SentAheadPages, int CopiedPages, PageCounts Pages)
{
    public bool IsCommitted => Status is CheckpointStatus.Loaded or CheckpointStatus.CommittedThenLost;
}
