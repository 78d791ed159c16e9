namespace Colo.Vmm.Net;

/// <summary>
/// A TCP sequence or acknowledgement number. The space wraps at 2^32, so order is the sign of the 32-bit difference
/// (RFC 9293 section 3.4): it is only meaningful for numbers that are less than 2^31 apart.
/// </summary>
public readonly record struct SequenceNumber(uint Value)
{
    /// <summary>Signed distance from <paramref name="right"/> to <paramref name="left"/>, in bytes of stream.</summary>
    public static int operator -(SequenceNumber left, SequenceNumber right) => unchecked((int)(left.Value - right.Value));

    public static SequenceNumber operator +(SequenceNumber left, int right) => new(unchecked(left.Value + (uint)right));

    public static bool operator <(SequenceNumber left, SequenceNumber right) => left - right < 0;

    public static bool operator >(SequenceNumber left, SequenceNumber right) => left - right > 0;

    public static bool operator <=(SequenceNumber left, SequenceNumber right) => left - right <= 0;

    public static bool operator >=(SequenceNumber left, SequenceNumber right) => left - right >= 0;

    /// <summary>The later of two numbers by signed difference.</summary>
    public static SequenceNumber Max(SequenceNumber left, SequenceNumber right) => left >= right ? left : right;

    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
