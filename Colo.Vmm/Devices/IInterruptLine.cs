namespace Colo.Vmm.Devices;

/// <summary>A level-triggered wire from a device to the interrupt controller. Setting the same level twice is
/// harmless.</summary>
internal interface IInterruptLine
{
    void Set(bool level);
}
