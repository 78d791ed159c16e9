namespace Colo.Vmm.Devices.Uart;

/// <summary>Registers of the UART and the bytes in its receive FIFO.</summary>
internal sealed record UartState(
    byte InterruptEnable, byte LineControl, byte ModemControl, byte LineStatus, byte Scratch, byte FifoControl,
    ushort Divisor, bool TransmitEmptyPending, byte[] Received) : DeviceState;
