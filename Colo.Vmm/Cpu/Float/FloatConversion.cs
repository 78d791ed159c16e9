namespace Colo.Vmm.Cpu.Float;

/// <summary>
/// Conversions between formats and with integers (unprivileged specification, sections 20.7 and 21.5): out of range
/// saturates and is invalid without being inexact; NaN gives the largest integer.
/// </summary>
internal static class FloatConversion
{
    public static ulong ToOther(ulong bits, FloatFormat from, FloatFormat to, RoundingMode rm, ref uint flags)
    {
        if (from.IsNan(bits))
        {
            flags |= from.IsSignalingNan(bits) ? FloatFlags.Invalid : 0;
            return to.CanonicalNan;
        }

        ulong sign = from.IsNegative(bits) ? to.SignBit : 0;
        if (from.IsInfinity(bits) || from.IsZero(bits))
        {
            return sign | (from.IsZero(bits) ? 0 : to.Infinity);
        }

        return Rounding.Pack(Unpacked.From(bits, from), to, rm, ref flags);
    }

    public static ulong FromInteger(bool negative, ulong magnitude, FloatFormat f, RoundingMode rm, ref uint flags) =>
        magnitude == 0 ? 0 : Rounding.Pack(new Unpacked(negative, magnitude, 0), f, rm, ref flags);

    /// <summary>Converts to a signed or unsigned integer of 32 or 64 bits; 32-bit results are sign-extended.</summary>
    public static ulong ToInteger(
        ulong bits, FloatFormat f, bool signed, bool wide, RoundingMode rm, ref uint flags)
    {
        bool negative = f.IsNegative(bits) && !f.IsNan(bits);
        ulong most = (signed, wide) switch
        {
            (true, true) => long.MaxValue,
            (true, false) => int.MaxValue,
            (false, true) => ulong.MaxValue,
            (false, false) => uint.MaxValue,
        };
        ulong mostNegative = signed ? most + 1 : 0;
        ulong limit = negative ? mostNegative : most;
        if (f.IsNan(bits) || f.IsInfinity(bits))
        {
            return Saturate(limit, negative, wide, ref flags);
        }

        Unpacked value = Unpacked.From(bits, f);
        if (value.Significand == 0)
        {
            return 0;
        }

        if (value.Exponent > 64)
        {
            return Saturate(limit, negative, wide, ref flags);
        }

        UInt128 magnitude = Rounding.RoundAt(value, 0, rm, out bool inexact);
        if (magnitude > limit)
        {
            return Saturate(limit, negative, wide, ref flags);
        }

        flags |= inexact ? FloatFlags.Inexact : 0;
        ulong result = negative ? 0 - (ulong)magnitude : (ulong)magnitude;
        return wide ? result : (ulong)(int)result;
    }

    private static ulong Saturate(ulong limit, bool negative, bool wide, ref uint flags)
    {
        flags |= FloatFlags.Invalid;
        ulong result = negative ? 0 - limit : limit;
        return wide ? result : (ulong)(int)result;
    }
}
