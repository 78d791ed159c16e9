namespace Colo.Vmm.Cpu;

/// <summary>
/// Everything in guest-physical space that is not RAM. Called on the hart's thread, with sizes 1, 2, 4 or 8 and
/// naturally aligned addresses; false makes the access an access fault in the guest.
/// </summary>
public interface ISystemBus
{
    bool TryRead(ulong address, int size, out ulong value);

    bool TryWrite(ulong address, int size, ulong value);
}
