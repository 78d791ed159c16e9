using System.Globalization;

namespace Colo.Vmm.Net;

/// <summary>The number of the checkpoint whose state produced a frame; strictly increasing. A frame carries the
/// epoch of the state that produced it.</summary>
public readonly record struct FrameEpoch(long Number) : IComparable<FrameEpoch>
{
    public FrameEpoch Next => new(Number + 1);

    public FrameEpoch Previous => new(Number - 1);

    public static bool operator <(FrameEpoch left, FrameEpoch right) => left.Number < right.Number;

    public static bool operator >(FrameEpoch left, FrameEpoch right) => left.Number > right.Number;

    public static bool operator <=(FrameEpoch left, FrameEpoch right) => left.Number <= right.Number;

    public static bool operator >=(FrameEpoch left, FrameEpoch right) => left.Number >= right.Number;

    public int CompareTo(FrameEpoch other) => Number.CompareTo(other.Number);

    public override string ToString() => Number.ToString(CultureInfo.InvariantCulture);
}
