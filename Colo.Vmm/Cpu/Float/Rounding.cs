namespace Colo.Vmm.Cpu.Float;

/// <summary>Rounding of an exact (or jammed) value to a format, with overflow, underflow and inexact.</summary>
internal static class Rounding
{
    /// <summary>Shifts right; a one shifted out sets the lowest bit, so that rounding still sees it.</summary>
    public static UInt128 ShiftRightJam(UInt128 value, int count)
    {
        if (count <= 0)
        {
            return value;
        }

        if (count > 127)
        {
            return value == 0 ? 0u : 1u;
        }

        UInt128 result = value >> count;
        return result << count == value ? result : result | 1;
    }

    /// <summary>Packs a non-zero value.</summary>
    public static ulong Pack(Unpacked value, FloatFormat f, RoundingMode rm, ref uint flags)
    {
        int precision = f.FractionBits + 1;
        int minimum = 1 - f.Bias;
        int top = value.Exponent + 127 - (int)UInt128.LeadingZeroCount(value.Significand);
        int lowest = Math.Max(top, minimum) - precision + 1;
        ulong significand = (ulong)RoundAt(value, lowest, rm, out bool inexact);
        if (inexact)
        {
            flags |= FloatFlags.Inexact | (IsTiny(value, top, minimum, precision, rm) ? FloatFlags.Underflow : 0);
        }

        if (significand >> precision != 0)
        {
            significand >>= 1;
            lowest++;
        }

        ulong sign = value.Negative ? f.SignBit : 0;
        if (significand >> f.FractionBits == 0)
        {
            return sign | significand;
        }

        int biased = lowest + f.FractionBits + f.Bias;
        return biased >= f.ExponentMax
            ? Overflow(value.Negative, f, rm, ref flags)
            : sign | (ulong)biased << f.FractionBits | significand & f.FractionMask;
    }

    /// <summary>The significand in units of 2^<paramref name="lowest"/>, rounded to an integer.</summary>
    public static UInt128 RoundAt(Unpacked value, int lowest, RoundingMode rm, out bool inexact)
    {
        int shift = lowest - value.Exponent;
        if (shift <= 0)
        {
            inexact = false;
            return value.Significand << -shift;
        }

        UInt128 kept = shift > 127 ? 0 : value.Significand >> shift;
        // Two bits below the kept ones: half, and whether anything is below the half.
        UInt128 rest = value.Significand - (shift > 127 ? 0 : kept << shift);
        int tail = (int)(uint)(shift == 1 ? rest << 1 : ShiftRightJam(rest, shift - 2)) & 3;
        inexact = tail != 0;
        bool up = rm switch
        {
            RoundingMode.NearestEven => tail > 2 || (tail == 2 && (kept & 1) != 0),
            RoundingMode.NearestMaxMagnitude => tail >= 2,
            RoundingMode.Up => inexact && !value.Negative,
            RoundingMode.Down => inexact && value.Negative,
            _ => false,
        };
        return up ? kept + 1 : kept;
    }

    /// <summary>Tininess is detected after rounding: as if the exponent had no lower bound.</summary>
    private static bool IsTiny(Unpacked value, int top, int minimum, int precision, RoundingMode rm)
    {
        if (top != minimum - 1)
        {
            return top < minimum;
        }

        UInt128 rounded = RoundAt(value, top - precision + 1, rm, out _);
        return rounded >> precision == 0;
    }

    private static ulong Overflow(bool negative, FloatFormat f, RoundingMode rm, ref uint flags)
    {
        flags |= FloatFlags.Overflow | FloatFlags.Inexact;
        bool toLargest = rm switch
        {
            RoundingMode.TowardZero => true,
            RoundingMode.Up => negative,
            RoundingMode.Down => !negative,
            _ => false,
        };
        return (negative ? f.SignBit : 0) | (toLargest ? f.Infinity - 1 : f.Infinity);
    }
}
