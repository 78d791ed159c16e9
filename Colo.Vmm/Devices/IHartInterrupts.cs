namespace Colo.Vmm.Devices;

/// <summary>The interrupt inputs of one hart. <c>mipBit</c> is the bit number in <c>mip</c>. Any thread.</summary>
internal interface IHartInterrupts
{
    void SetInterrupt(int mipBit, bool level);
}
