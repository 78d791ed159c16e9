namespace Colo.Vmm.Devices.Uart;

/// <summary>Counters of the UART since power-on of the host process.</summary>
internal sealed class UartMetrics
{
    public long BytesSent { get; set; }

    public long BytesReceived { get; set; }

    /// <summary>Bytes from the host that did not fit because the guest does not read its console.</summary>
    public long BytesDropped { get; set; }
}
