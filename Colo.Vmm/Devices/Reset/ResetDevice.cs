namespace Colo.Vmm.Devices.Reset;

/// <summary>
/// SiFive test finisher, which Linux uses as a syscon for power-off and reboot: 0x5555 powers off, 0x7777 resets,
/// 0x3333 powers off with a failure code in the upper half. Stateless: a write takes effect at once.
/// </summary>
internal sealed class ResetDevice(Action<ResetRequest> requested) : IMmioDevice
{
    public const ulong SizeBytes = 0x1000;

    public ulong Read(ulong offset, int size) => 0;

    public void Write(ulong offset, int size, ulong value)
    {
        if (offset != 0)
        {
            return;
        }

        switch ((ushort)value)
        {
            case 0x5555:
                requested(new ResetRequest(ResetKind.PowerOff, 0));
                break;
            case 0x3333:
                requested(new ResetRequest(ResetKind.PowerOff, (int)(value >> 16) & 0xffff));
                break;
            case 0x7777:
                requested(new ResetRequest(ResetKind.Reboot, 0));
                break;
            default:
                break;
        }
    }
}
