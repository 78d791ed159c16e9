namespace Colo.Vmm.Checkpoint;

/// <summary>Why a channel is of no more use. Every kind except <see cref="None"/> ends the whole link.</summary>
public enum LinkFailure
{
    None = 0,

    /// <summary>The peer closed between two frames, or the caller closed our side.</summary>
    Closed,

    /// <summary>The stream ended in the middle of a frame.</summary>
    Truncated,

    /// <summary>Reading or writing failed in the transport.</summary>
    TransportError,

    /// <summary>The channel opening was not ours, or of another version.</summary>
    BadHello,

    /// <summary>A frame did not start with the magic number.</summary>
    BadMagic,

    /// <summary>A CRC-32C did not match.</summary>
    BadChecksum,

    /// <summary>A length is beyond its limit, or does not fit the frame type.</summary>
    BadLength,

    /// <summary>A frame was lost, repeated or out of order.</summary>
    BadSequence,

    /// <summary>A frame type that does not exist, or does not belong here or now.</summary>
    UnexpectedFrame,

    /// <summary>A frame of an older term: its sender has lost the right to it (S3).</summary>
    StaleTerm,

    /// <summary>A payload broke the rules of its type.</summary>
    BadPayload,
}
