namespace Akka.Remote.Transport;

/// <summary>The second field of every frame. Zero is invalid, so that a run of zero bytes is no frame.</summary>
internal enum FrameKind : byte
{
    /// <summary>First frame of the side that opened the link: who it is and whom it wants.</summary>
    Hello = 1,

    /// <summary>Answer to <see cref="Hello"/>: who answers.</summary>
    Welcome = 2,

    /// <summary>Answer to <see cref="Hello"/> that ends the link, with the reason.</summary>
    Refusal = 3,

    /// <summary>A message for an actor.</summary>
    Envelope = 4,

    /// <summary>A numbered system message.</summary>
    SystemEnvelope = 5,

    /// <summary>The highest number up to which all system messages have arrived.</summary>
    Acknowledgement = 6,

    /// <summary>Sent when there is nothing else to send.</summary>
    Heartbeat = 7,

    /// <summary>The last frame of a system that shuts down, or that has given the other up.</summary>
    Goodbye = 8,
}
