namespace Colo.Vmm.Devices.VirtioInput;

/// <summary>Counters of the power button since power-on of the host process.</summary>
internal sealed class InputMetrics
{
    public long EventsSent { get; set; }

    /// <summary>Presses for which the driver had given no buffers; they are sent when it does.</summary>
    public long Presses { get; set; }
}
