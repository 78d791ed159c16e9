namespace Colo.Vmm.Devices.Reset;

internal enum ResetKind
{
    PowerOff = 1,
    Reboot = 2,
}
