namespace Colo.Vmm.Cpu.Float;

/// <summary>A finite value as sign, integer significand and exponent of its lowest bit: ±significand ×
/// 2^exponent.</summary>
internal readonly record struct Unpacked(bool Negative, UInt128 Significand, int Exponent)
{
    public static Unpacked From(ulong bits, FloatFormat format)
    {
        int biased = (int)(bits >> format.FractionBits) & format.ExponentMax;
        ulong fraction = bits & format.FractionMask;
        int lowest = 1 - format.Bias - format.FractionBits;
        return biased == 0
            ? new Unpacked(format.IsNegative(bits), fraction, lowest)
            : new Unpacked(format.IsNegative(bits), fraction | format.FractionMask + 1, lowest + biased - 1);
    }
}
