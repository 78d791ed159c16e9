namespace Colo.Actors.Protocol;

/// <summary>
/// A point on the host's own monotonic clock, in ticks of 100 ns from an arbitrary origin. Instants of two hosts are
/// not comparable. Cores get it as an argument and never read a clock.
/// </summary>
public readonly record struct Instant(long Ticks) : IComparable<Instant>
{
    public static readonly Instant Zero = new(0);

    public int CompareTo(Instant other) => Ticks.CompareTo(other.Ticks);

    public static Instant operator +(Instant instant, TimeSpan span) => new(instant.Ticks + span.Ticks);
    public static TimeSpan operator -(Instant later, Instant earlier) => new(later.Ticks - earlier.Ticks);
    public static bool operator <(Instant left, Instant right) => left.Ticks < right.Ticks;
    public static bool operator >(Instant left, Instant right) => left.Ticks > right.Ticks;
    public static bool operator <=(Instant left, Instant right) => left.Ticks <= right.Ticks;
    public static bool operator >=(Instant left, Instant right) => left.Ticks >= right.Ticks;

    public override string ToString() => $"{Ticks / 10_000}.{Ticks / 10 % 1_000:000}ms";
}
