using System.Runtime.CompilerServices;

namespace Colo.Vmm.Cpu.Float;

/// <summary>
/// A binary interchange format by its number of fraction and exponent bits. Values of both formats travel as 64 bits;
/// single precision in the lower half.
/// </summary>
internal readonly struct FloatFormat(int fractionBits, int exponentBits)
{
    public static readonly FloatFormat Single = new(23, 8);
    public static readonly FloatFormat Double = new(52, 11);

    public int FractionBits { get; } = fractionBits;

    public int ExponentMax { get; } = (1 << exponentBits) - 1;

    public int Bias { get; } = (1 << exponentBits - 1) - 1;

    public ulong SignBit => 1UL << FractionBits + (ExponentMax == 255 ? 8 : 11);

    public ulong FractionMask => (1UL << FractionBits) - 1;

    public ulong Infinity => (ulong)ExponentMax << FractionBits;

    /// <summary>The only NaN that arithmetic produces.</summary>
    public ulong CanonicalNan => Infinity | 1UL << FractionBits - 1;

    /// <summary>A single in a 64-bit register.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Box(uint single) => 0xffff_ffff_0000_0000 | single;

    /// <summary>A register that does not hold a boxed single reads as NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Unbox(ulong register) => register >> 32 == 0xffff_ffff ? (uint)register : 0x7fc0_0000;

    public bool IsNan(ulong bits) => (bits & ~SignBit) > Infinity;

    public bool IsSignalingNan(ulong bits) => IsNan(bits) && (bits & 1UL << FractionBits - 1) == 0;

    public bool IsInfinity(ulong bits) => (bits & ~SignBit) == Infinity;

    public bool IsZero(ulong bits) => (bits & ~SignBit) == 0;

    public bool IsNegative(ulong bits) => (bits & SignBit) != 0;
}
