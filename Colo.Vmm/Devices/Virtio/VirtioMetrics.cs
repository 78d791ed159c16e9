namespace Colo.Vmm.Devices.Virtio;

/// <summary>Counters of a virtio slot since power-on of the host process.</summary>
internal sealed class VirtioMetrics
{
    public long Notifications { get; set; }

    public long Interrupts { get; set; }

    /// <summary>Times the driver broke the rules and the device asked for a reset.</summary>
    public long Breaks { get; set; }

    /// <summary>Why it last asked for a reset; null if never.</summary>
    public string? LastBreak { get; set; }
}
