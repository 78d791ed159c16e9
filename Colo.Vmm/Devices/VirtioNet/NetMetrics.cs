namespace Colo.Vmm.Devices.VirtioNet;

/// <summary>Counters of a network card since power-on of the host process.</summary>
internal sealed class NetMetrics
{
    public long FramesSent { get; set; }

    public long FramesReceived { get; set; }

    /// <summary>Frames of the guest that were too short, too long or asked for an offload that was not
    /// negotiated.</summary>
    public long FramesRefused { get; set; }

    /// <summary>Frames from the world that found no room in the queue or no running driver, or were longer than the
    /// guest's buffer where it takes one for each frame.</summary>
    public long FramesDropped;
}
