namespace Colo.Vmm.Net.Backends;

/// <summary>Counters of a back end. Written by two threads; single figures may be read by anyone.</summary>
public sealed class NetworkBackendMetrics
{
    private long _framesSent;
    private long _framesReceived;
    private long _framesDropped;
    private long _connectionsLost;

    /// <summary>Guest to world.</summary>
    public long FramesSent => Volatile.Read(ref _framesSent);

    /// <summary>World to guest.</summary>
    public long FramesReceived => Volatile.Read(ref _framesReceived);

    /// <summary>Frames of the guest that the other side had no room for, or that came while it was gone.</summary>
    public long FramesDropped => Volatile.Read(ref _framesDropped);

    /// <summary>Connections that ended, by the peer or for breaking the framing.</summary>
    public long ConnectionsLost => Volatile.Read(ref _connectionsLost);

    internal void CountSent() => Interlocked.Increment(ref _framesSent);

    internal void CountReceived() => Interlocked.Increment(ref _framesReceived);

    internal void CountDropped() => Interlocked.Increment(ref _framesDropped);

    internal void CountLost() => Interlocked.Increment(ref _connectionsLost);
}
