namespace Colo.Vmm.Block;

/// <summary>Outcome of a block request. Operating errors are values; they are never thrown.</summary>
public enum BlockStatus
{
    /// <summary>Done.</summary>
    Ok,

    /// <summary>The range is not inside the device, or not a multiple of 512 bytes. Nothing was transferred.</summary>
    OutOfRange,

    /// <summary>A change was asked of a read-only device.</summary>
    ReadOnly,

    /// <summary>The medium failed; what the range holds now is unknown after a write.</summary>
    IoError,

    /// <summary>The medium has no room; what the range holds now is unknown after a write.</summary>
    NoSpace,

    /// <summary>The device can't do this in its present state.</summary>
    NotSupported,

    /// <summary>The other side of a link is gone; whether it did the work is unknown.</summary>
    PeerLost,
}
