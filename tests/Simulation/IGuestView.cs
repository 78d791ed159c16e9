namespace Colo.Simulation;

/// <summary>What the oracle sees of a guest from outside, or of a guest in an image.</summary>
public interface IGuestView
{
    IEnumerable<(long Connection, StreamView Stream)> Streams { get; }

    /// <summary>Frames that it has been given and has not looked at.</summary>
    IEnumerable<Frame> Inbox { get; }

    /// <summary>Null when the guest knows no such connection.</summary>
    StreamView? Find(long connection);

    /// <summary>A connection as the guest had it when it rebooted.</summary>
    StreamView? FindPast(long connection) => null;
}
