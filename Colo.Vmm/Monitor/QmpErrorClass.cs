namespace Colo.Vmm.Monitor;

/// <summary>Error classes of the QEMU machine protocol; everything else is a generic error.</summary>
public enum QmpErrorClass
{
    GenericError = 1,
    CommandNotFound = 2,
    DeviceNotActive = 3,
    DeviceNotFound = 4,
    KVMMissingCap = 5,
}
