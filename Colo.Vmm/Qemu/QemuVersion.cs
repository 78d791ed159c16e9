namespace Colo.Vmm.Qemu;

/// <summary>A QEMU version; ordered.</summary>
public readonly record struct QemuVersion(int Major, int Minor, int Micro) : IComparable<QemuVersion>
{
    public int CompareTo(QemuVersion other) =>
        (Major, Minor, Micro).CompareTo((other.Major, other.Minor, other.Micro));

    public static bool operator <(QemuVersion left, QemuVersion right) => left.CompareTo(right) < 0;

    public static bool operator >(QemuVersion left, QemuVersion right) => left.CompareTo(right) > 0;

    public static bool operator <=(QemuVersion left, QemuVersion right) => left.CompareTo(right) <= 0;

    public static bool operator >=(QemuVersion left, QemuVersion right) => left.CompareTo(right) >= 0;

    public override string ToString() => $"{Major}.{Minor}.{Micro}";
}
