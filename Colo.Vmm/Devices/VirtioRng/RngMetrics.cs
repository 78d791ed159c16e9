namespace Colo.Vmm.Devices.VirtioRng;

/// <summary>Counters of the entropy device since power-on of the host process.</summary>
internal sealed class RngMetrics
{
    public long Requests { get; set; }

    public long Bytes { get; set; }
}
