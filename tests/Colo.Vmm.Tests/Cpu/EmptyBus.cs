using Colo.Vmm.Cpu;

namespace Colo.Vmm.Tests.Cpu;

/// <summary>A machine without devices: every access outside RAM is an access fault.</summary>
internal sealed class EmptyBus : ISystemBus
{
    public bool TryRead(ulong address, int size, out ulong value)
    {
        value = 0;
        return false;
    }

    public bool TryWrite(ulong address, int size, ulong value) => false;
}
