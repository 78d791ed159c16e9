using Colo.Vmm.Devices;

namespace Colo.Vmm.Tests.Devices;

/// <summary>The interrupt inputs of a hart, as a bit set.</summary>
internal sealed class RecordingHart : IHartInterrupts
{
    public ulong Pending { get; private set; }

    public void SetInterrupt(int mipBit, bool level) =>
        Pending = level ? Pending | (1ul << mipBit) : Pending & ~(1ul << mipBit);

    public bool Has(int mipBit) => (Pending & (1ul << mipBit)) != 0;
}
