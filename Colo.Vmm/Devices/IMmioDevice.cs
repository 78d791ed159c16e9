namespace Colo.Vmm.Devices;

/// <summary>
/// A block of registers in guest-physical space. Called on the thread that runs the hart; offsets are relative to the
/// device and already checked against its size, <c>size</c> is 1, 2, 4 or 8 bytes. Whatever the guest does, neither
/// call throws: unknown registers read as zero and ignore writes.
/// </summary>
public interface IMmioDevice
{
    ulong Read(ulong offset, int size);

    void Write(ulong offset, int size, ulong value);
}
