using System.Runtime.CompilerServices;

namespace Colo.Vmm.Cpu.Float;

/// <summary>
/// Arithmetic on the host's FPU, to nearest even, in the cases where the result and the inexact flag are certain: the
/// result is normal (so the operands were finite) with a margin to overflow and underflow, and it is inexact if the
/// residual that an error-free transformation yields is not zero. Everything else returns false and goes to
/// <see cref="SoftFloat"/>. When inexact is set already, which it mostly is, no residual is needed.
/// </summary>
internal static class FastFloat
{
    /// <summary>Exponents of double results that leave room for a residual 2^-106 below them.</summary>
    private const uint DoubleExponentLow = 120;
    private const uint DoubleExponentRange = 2045 - DoubleExponentLow;
    private const uint SingleExponentRange = 252;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AddDouble(double x, double y, ref uint flags, out double result)
    {
        result = x + y;
        if (!InRange(result))
        {
            return result == 0 && x == 0 - y && x != 0;
        }

        if ((flags & FloatFlags.Inexact) == 0)
        {
            double second = result - x;
            double error = x - (result - second) + (y - second);
            flags |= error == 0 ? 0 : FloatFlags.Inexact;
        }

        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool MultiplyDouble(double x, double y, ref uint flags, out double result)
    {
        result = x * y;
        if (!InRange(result))
        {
            return false;
        }

        if ((flags & FloatFlags.Inexact) == 0)
        {
            flags |= Math.FusedMultiplyAdd(x, y, -result) == 0 ? 0 : FloatFlags.Inexact;
        }

        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool DivideDouble(double x, double y, ref uint flags, out double result)
    {
        result = x / y;
        if (!InRange(result) || !InRange(x) || !InRange(y))
        {
            return false;
        }

        if ((flags & FloatFlags.Inexact) == 0)
        {
            flags |= Math.FusedMultiplyAdd(-result, y, x) == 0 ? 0 : FloatFlags.Inexact;
        }

        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool SquareRootDouble(double x, ref uint flags, out double result)
    {
        result = Math.Sqrt(x);
        if (!InRange(x) || x < 0)
        {
            return false;
        }

        if ((flags & FloatFlags.Inexact) == 0)
        {
            flags |= Math.FusedMultiplyAdd(-result, result, x) == 0 ? 0 : FloatFlags.Inexact;
        }

        return true;
    }

    /// <summary>Only when inexact is set already: the residual of a fused operation costs more than the exact
    /// path.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool MultiplyAddDouble(double x, double y, double z, uint flags, out double result)
    {
        result = Math.FusedMultiplyAdd(x, y, z);
        return InRange(result) && (flags & FloatFlags.Inexact) != 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool AddSingle(float x, float y, ref uint flags, out float result)
    {
        double sum = (double)x + y;
        result = (float)sum;
        if (!InRange(result))
        {
            return result == 0 && x == 0 - y && x != 0;
        }

        if ((flags & FloatFlags.Inexact) == 0)
        {
            double second = sum - x;
            double error = x - (sum - second) + (y - second);
            flags |= error == 0 && sum == result ? 0 : FloatFlags.Inexact;
        }

        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool MultiplySingle(float x, float y, ref uint flags, out float result)
    {
        // 24 + 24 bits: the product is exact in double.
        double product = (double)x * y;
        result = (float)product;
        flags |= InRange(result) && product != result ? FloatFlags.Inexact : 0;
        return InRange(result);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool DivideSingle(float x, float y, ref uint flags, out float result)
    {
        // Rounding twice is harmless for quotients and roots: 53 >= 2 * 24 + 2.
        result = (float)((double)x / y);
        if (!InRange(result) || !InRange(x) || !InRange(y))
        {
            return false;
        }

        flags |= (double)result * y != x ? FloatFlags.Inexact : 0;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool SquareRootSingle(float x, ref uint flags, out float result)
    {
        result = (float)Math.Sqrt(x);
        if (!InRange(x) || x < 0)
        {
            return false;
        }

        flags |= (double)result * result != x ? FloatFlags.Inexact : 0;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool MultiplyAddSingle(float x, float y, float z, uint flags, out float result)
    {
        result = MathF.FusedMultiplyAdd(x, y, z);
        return InRange(result) && (flags & FloatFlags.Inexact) != 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool InRange(double value) =>
        ((uint)(BitConverter.DoubleToUInt64Bits(value) >> 52) & 0x7ff) - DoubleExponentLow < DoubleExponentRange;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool InRange(float value) =>
        ((BitConverter.SingleToUInt32Bits(value) >> 23) & 0xff) - 2 < SingleExponentRange;
}
