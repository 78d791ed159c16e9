namespace Colo.Actors.Protocol;

/// <summary>
/// The number of a checkpoint, strictly increasing for a VM across terms. What flows (frames, disk writes, pages) is
/// tagged with the epoch of the last capture or load before it: a frame made before the capture of epoch k carries k-1
/// or less.
/// </summary>
public readonly record struct Epoch(long Value) : IComparable<Epoch>
{
    public static readonly Epoch Zero = new(0);

    public Epoch Next => new(Value + 1);

    public int CompareTo(Epoch other) => Value.CompareTo(other.Value);

    public static Epoch Max(Epoch left, Epoch right) => left > right ? left : right;

    public static bool operator <(Epoch left, Epoch right) => left.Value < right.Value;
    public static bool operator >(Epoch left, Epoch right) => left.Value > right.Value;
    public static bool operator <=(Epoch left, Epoch right) => left.Value <= right.Value;
    public static bool operator >=(Epoch left, Epoch right) => left.Value >= right.Value;

    public override string ToString() => $"e{Value}";
}
