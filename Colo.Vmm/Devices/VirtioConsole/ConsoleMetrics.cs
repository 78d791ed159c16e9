namespace Colo.Vmm.Devices.VirtioConsole;

/// <summary>Counters of the virtio console since power-on of the host process.</summary>
internal sealed class ConsoleMetrics
{
    public long BytesSent { get; set; }

    public long BytesReceived { get; set; }
}
