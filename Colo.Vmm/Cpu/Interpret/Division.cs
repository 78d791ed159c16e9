namespace Colo.Vmm.Cpu.Interpret;

/// <summary>
/// Division as the M extension defines it: by zero gives all ones and the dividend as remainder; the one overflow
/// gives the dividend and remainder zero. Nothing traps.
/// </summary>
internal static class Division
{
    public static ulong MultiplyHighSignedUnsigned(ulong left, ulong right)
    {
        ulong high = Math.BigMul(left, right, out _);
        return high - ((long)left < 0 ? right : 0);
    }

    public static ulong Divide(ulong left, ulong right) => right switch
    {
        0 => ulong.MaxValue,
        ulong.MaxValue => 0 - left,
        _ => (ulong)((long)left / (long)right),
    };

    public static ulong Remainder(ulong left, ulong right) => right switch
    {
        0 => left,
        ulong.MaxValue => 0,
        _ => (ulong)((long)left % (long)right),
    };

    public static ulong DivideUnsigned(ulong left, ulong right) => right == 0 ? ulong.MaxValue : left / right;

    public static ulong RemainderUnsigned(ulong left, ulong right) => right == 0 ? left : left % right;

    public static ulong DivideWord(int left, int right) => right switch
    {
        0 => ulong.MaxValue,
        -1 => (ulong)(0 - left),
        _ => (ulong)(left / right),
    };

    public static ulong RemainderWord(int left, int right) => right switch
    {
        0 => (ulong)left,
        -1 => 0,
        _ => (ulong)(left % right),
    };

    public static ulong DivideUnsignedWord(uint left, uint right) =>
        right == 0 ? ulong.MaxValue : (ulong)(int)(left / right);

    public static ulong RemainderUnsignedWord(uint left, uint right) => (ulong)(int)(right == 0 ? left : left % right);
}
