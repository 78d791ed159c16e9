namespace Colo.Vmm.Cpu.Float;

/// <summary>
/// Exact IEEE 754 arithmetic on integers, all rounding modes, all flags, tininess after rounding: the reference for
/// every case that <see cref="FastFloat"/> does not take. Each operation computes a 128-bit significand that is exact
/// or whose lowest bit stands for everything below it, and rounds once.
/// </summary>
internal static class SoftFloat
{
    private const int TopBit = 125;

    public static ulong Add(ulong a, ulong b, FloatFormat f, RoundingMode rm, ref uint flags)
    {
        if (f.IsNan(a) || f.IsNan(b))
        {
            return PropagateNan(f, f.IsSignalingNan(a) || f.IsSignalingNan(b), ref flags);
        }

        if (f.IsInfinity(a) || f.IsInfinity(b))
        {
            return AddInfinity(a, b, f, ref flags);
        }

        return Sum(Unpacked.From(a, f), Unpacked.From(b, f), f, rm, ref flags);
    }

    public static ulong Multiply(ulong a, ulong b, FloatFormat f, RoundingMode rm, ref uint flags)
    {
        if (f.IsNan(a) || f.IsNan(b))
        {
            return PropagateNan(f, f.IsSignalingNan(a) || f.IsSignalingNan(b), ref flags);
        }

        ulong sign = (a ^ b) & f.SignBit;
        if (f.IsInfinity(a) || f.IsInfinity(b))
        {
            return f.IsZero(a) || f.IsZero(b) ? Invalid(f, ref flags) : sign | f.Infinity;
        }

        Unpacked product = Product(a, b, f);
        return product.Significand == 0 ? sign : Rounding.Pack(product, f, rm, ref flags);
    }

    /// <summary>a × b + c, rounded once. The caller has applied the signs of fmsub and the like to a and c.</summary>
    public static ulong MultiplyAdd(ulong a, ulong b, ulong c, FloatFormat f, RoundingMode rm, ref uint flags)
    {
        bool infinite = f.IsInfinity(a) || f.IsInfinity(b);
        bool zeroTimesInfinity = infinite && (f.IsZero(a) || f.IsZero(b));
        if (f.IsNan(a) || f.IsNan(b) || f.IsNan(c))
        {
            // The invalid product counts even when the addend is a quiet NaN (unprivileged specification, 20.6).
            bool signaling = f.IsSignalingNan(a) || f.IsSignalingNan(b) || f.IsSignalingNan(c);
            return PropagateNan(f, signaling || zeroTimesInfinity, ref flags);
        }

        if (zeroTimesInfinity)
        {
            return Invalid(f, ref flags);
        }

        if (infinite)
        {
            return AddInfinity((a ^ b) & f.SignBit | f.Infinity, c, f, ref flags);
        }

        return f.IsInfinity(c) ? c : Sum(Product(a, b, f), Unpacked.From(c, f), f, rm, ref flags);
    }

    public static ulong Divide(ulong a, ulong b, FloatFormat f, RoundingMode rm, ref uint flags)
    {
        if (f.IsNan(a) || f.IsNan(b))
        {
            return PropagateNan(f, f.IsSignalingNan(a) || f.IsSignalingNan(b), ref flags);
        }

        ulong sign = (a ^ b) & f.SignBit;
        if (f.IsInfinity(a))
        {
            return f.IsInfinity(b) ? Invalid(f, ref flags) : sign | f.Infinity;
        }

        if (f.IsInfinity(b))
        {
            return sign;
        }

        if (f.IsZero(b))
        {
            if (f.IsZero(a))
            {
                return Invalid(f, ref flags);
            }

            flags |= FloatFlags.DivideByZero;
            return sign | f.Infinity;
        }

        if (f.IsZero(a))
        {
            return sign;
        }

        Unpacked x = Normalize(Unpacked.From(a, f), TopBit);
        Unpacked y = Normalize(Unpacked.From(b, f), 55);
        UInt128 quotient = x.Significand / y.Significand;
        if (quotient * y.Significand != x.Significand)
        {
            quotient |= 1;
        }

        return Rounding.Pack(new Unpacked(sign != 0, quotient, x.Exponent - y.Exponent), f, rm, ref flags);
    }

    public static ulong SquareRoot(ulong a, FloatFormat f, RoundingMode rm, ref uint flags)
    {
        if (f.IsNan(a))
        {
            return PropagateNan(f, f.IsSignalingNan(a), ref flags);
        }

        if (f.IsZero(a))
        {
            return a;
        }

        if (f.IsNegative(a))
        {
            return Invalid(f, ref flags);
        }

        if (f.IsInfinity(a))
        {
            return a;
        }

        Unpacked x = Normalize(Unpacked.From(a, f), TopBit);
        if ((x.Exponent & 1) != 0)
        {
            x = x with { Significand = x.Significand << 1, Exponent = x.Exponent - 1 };
        }

        UInt128 root = IntegerRoot(x.Significand);
        bool exact = root * root == x.Significand;
        root = root << 1 | (exact ? 0u : 1u);
        return Rounding.Pack(new Unpacked(false, root, x.Exponent / 2 - 1), f, rm, ref flags);
    }

    private static UInt128 IntegerRoot(UInt128 value)
    {
        UInt128 root = (UInt128)Math.Sqrt((double)value);
        root = (root + value / root) >> 1;
        while (root * root > value)
        {
            root--;
        }

        while ((root + 1) * (root + 1) <= value)
        {
            root++;
        }

        return root;
    }

    private static Unpacked Product(ulong a, ulong b, FloatFormat f)
    {
        Unpacked x = Unpacked.From(a, f);
        Unpacked y = Unpacked.From(b, f);
        return new Unpacked(x.Negative != y.Negative, x.Significand * y.Significand, x.Exponent + y.Exponent);
    }

    private static ulong Sum(Unpacked x, Unpacked y, FloatFormat f, RoundingMode rm, ref uint flags)
    {
        if (x.Significand == 0 || y.Significand == 0)
        {
            Unpacked other = x.Significand == 0 ? y : x;
            return other.Significand == 0
                ? SignedZero(x.Negative == y.Negative ? x.Negative : rm == RoundingMode.Down, f)
                : Rounding.Pack(other, f, rm, ref flags);
        }

        x = Normalize(x, TopBit);
        y = Normalize(y, TopBit);
        if (x.Exponent < y.Exponent)
        {
            (x, y) = (y, x);
        }

        UInt128 small = Rounding.ShiftRightJam(y.Significand, x.Exponent - y.Exponent);
        if (x.Negative == y.Negative)
        {
            return Rounding.Pack(x with { Significand = x.Significand + small }, f, rm, ref flags);
        }

        if (x.Significand == small)
        {
            return SignedZero(rm == RoundingMode.Down, f);
        }

        Unpacked difference = x.Significand > small
            ? x with { Significand = x.Significand - small }
            : new Unpacked(y.Negative, small - x.Significand, x.Exponent);
        return Rounding.Pack(difference, f, rm, ref flags);
    }

    private static ulong SignedZero(bool negative, FloatFormat f) => negative ? f.SignBit : 0;

    private static Unpacked Normalize(Unpacked value, int topBit)
    {
        int shift = topBit - (127 - (int)UInt128.LeadingZeroCount(value.Significand));
        return value with { Significand = value.Significand << shift, Exponent = value.Exponent - shift };
    }

    private static ulong AddInfinity(ulong a, ulong b, FloatFormat f, ref uint flags)
    {
        if (f.IsInfinity(a) && f.IsInfinity(b) && a != b)
        {
            return Invalid(f, ref flags);
        }

        return f.IsInfinity(a) ? a : b;
    }

    private static ulong PropagateNan(FloatFormat f, bool invalid, ref uint flags)
    {
        flags |= invalid ? FloatFlags.Invalid : 0;
        return f.CanonicalNan;
    }

    private static ulong Invalid(FloatFormat f, ref uint flags)
    {
        flags |= FloatFlags.Invalid;
        return f.CanonicalNan;
    }
}
