namespace Colo.Vmm.Cpu.Float;

/// <summary>Comparison, minimum and maximum, classification (unprivileged specification, sections 20.6, 20.8,
/// 20.9).</summary>
internal static class FloatCompare
{
    /// <summary>feq: quiet.</summary>
    public static bool Equal(ulong a, ulong b, FloatFormat f, ref uint flags)
    {
        if (f.IsNan(a) || f.IsNan(b))
        {
            flags |= f.IsSignalingNan(a) || f.IsSignalingNan(b) ? FloatFlags.Invalid : 0;
            return false;
        }

        return a == b || (f.IsZero(a) && f.IsZero(b));
    }

    /// <summary>flt: any NaN is invalid.</summary>
    public static bool Less(ulong a, ulong b, FloatFormat f, ref uint flags)
    {
        if (f.IsNan(a) || f.IsNan(b))
        {
            flags |= FloatFlags.Invalid;
            return false;
        }

        return !(f.IsZero(a) && f.IsZero(b)) && OrderKey(a, f) < OrderKey(b, f);
    }

    /// <summary>fle: any NaN is invalid.</summary>
    public static bool LessOrEqual(ulong a, ulong b, FloatFormat f, ref uint flags)
    {
        if (f.IsNan(a) || f.IsNan(b))
        {
            flags |= FloatFlags.Invalid;
            return false;
        }

        return (f.IsZero(a) && f.IsZero(b)) || OrderKey(a, f) <= OrderKey(b, f);
    }

    /// <summary>minimumNumber and maximumNumber: a NaN loses against a number, -0 is below +0.</summary>
    public static ulong MinMax(ulong a, ulong b, bool maximum, FloatFormat f, ref uint flags)
    {
        flags |= f.IsSignalingNan(a) || f.IsSignalingNan(b) ? FloatFlags.Invalid : 0;
        if (f.IsNan(a))
        {
            return f.IsNan(b) ? f.CanonicalNan : b;
        }

        if (f.IsNan(b))
        {
            return a;
        }

        return OrderKey(a, f) < OrderKey(b, f) != maximum ? a : b;
    }

    /// <summary>fclass: one bit of ten.</summary>
    public static ulong Classify(ulong bits, FloatFormat f)
    {
        if (f.IsNan(bits))
        {
            return f.IsSignalingNan(bits) ? 1UL << 8 : 1UL << 9;
        }

        bool negative = f.IsNegative(bits);
        if (f.IsInfinity(bits))
        {
            return negative ? 1UL << 0 : 1UL << 7;
        }

        if (f.IsZero(bits))
        {
            return negative ? 1UL << 3 : 1UL << 4;
        }

        bool subnormal = (bits & f.Infinity) == 0;
        return (negative, subnormal) switch
        {
            (true, false) => 1UL << 1,
            (true, true) => 1UL << 2,
            (false, true) => 1UL << 5,
            (false, false) => 1UL << 6,
        };
    }

    /// <summary>Integers in the order of the numbers, -0 below +0.</summary>
    private static long OrderKey(ulong bits, FloatFormat f)
    {
        long magnitude = (long)(bits & ~f.SignBit);
        return f.IsNegative(bits) ? -magnitude - 1 : magnitude;
    }
}
