namespace Colo.Actors.Protocol;

/// <summary>
/// Who may release, counted by the arbiter: strictly increasing per VM, 0 before the record exists.
/// Never mixed with <see cref="Epoch"/>, which counts checkpoints.
/// </summary>
public readonly record struct Term(long Value) : IComparable<Term>
{
    public static readonly Term Zero = new(0);

    public Term Next => new(Value + 1);

    public int CompareTo(Term other) => Value.CompareTo(other.Value);

    public static bool operator <(Term left, Term right) => left.Value < right.Value;
    public static bool operator >(Term left, Term right) => left.Value > right.Value;
    public static bool operator <=(Term left, Term right) => left.Value <= right.Value;
    public static bool operator >=(Term left, Term right) => left.Value >= right.Value;

    public override string ToString() => $"t{Value}";
}
