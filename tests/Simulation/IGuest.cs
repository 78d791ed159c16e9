namespace Colo.Simulation;

/// <summary>
/// A guest of the simulated machine: a model, or a program in the real machine. Does nothing by itself; the shell calls
/// <see cref="Run"/> whenever it has work and is not paused.
/// </summary>
public interface IGuest : IGuestView, IDisposable
{
    /// <summary>Power-on: memory is empty, the disk is what <paramref name="host"/> has.</summary>
    void Boot(IGuestHost host);

    /// <summary>It has powered itself off, and its machine does nothing any more.</summary>
    bool HasEnded { get; }

    /// <summary>It reboots by itself: memory and connections are gone, the disk is what it is.</summary>
    void Reboot(IGuestHost host);

    /// <summary>It powers itself off.</summary>
    void End();

    /// <summary>A frame comes to its card.</summary>
    void Receive(Frame frame);

    /// <param name="now">Simulated time, in microseconds.</param>
    bool HasWork(long now);

    /// <summary>Goes on with its work for a while.</summary>
    void Run(IGuestHost host, long now);

    /// <summary>The retransmission timer of a guest that has none of its own.</summary>
    void Tick(IGuestHost host, long now);

    /// <summary>Over all its state: two guests with the same digest are the same.</summary>
    ulong Digest();

    /// <summary>The guest as it stands.</summary>
    /// <param name="epoch">The image's number.</param>
    /// <param name="full">Whether the image must stand alone: no peer is known to have an earlier one.</param>
    IGuestImage Capture(long epoch, bool full);

    /// <summary>The peer has the image; later ones need not repeat what it holds.</summary>
    void Acknowledged(long epoch);
}
