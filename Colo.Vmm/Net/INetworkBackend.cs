namespace Colo.Vmm.Net;

/// <summary>
/// The cable behind a guest's network card: a TAP interface, a stream socket, a recorder around either, or the
/// replication's mirror and comparer. Frames are Ethernet frames without check sequence.
/// </summary>
public interface INetworkBackend : IDisposable
{
    /// <summary>Guest to world. Called on the machine's thread; never blocks for long; drops and counts when the
    /// other side is gone.</summary>
    void Send(ReadOnlySpan<byte> frame);

    /// <summary>The guest has sent all that it had: what <see cref="Send"/> gathered may leave together.</summary>
    void Flush()
    {
    }

    /// <summary>World to guest; called on the back end's own thread. Null: frames are dropped.</summary>
    FrameHandler? Received { set; }

    /// <summary>Whether <see cref="Delivered"/> is called after every burst of frames; else the card wakes its guest
    /// for each frame.</summary>
    bool TellsDelivered => false;

    /// <summary>Called when the frames that were handed over should be seen; on the thread of
    /// <see cref="Received"/>.</summary>
    Action? Delivered
    {
        set
        {
        }
    }
}
