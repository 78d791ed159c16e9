using System.Globalization;
using System.Reflection;

namespace Akka.Util;

/// <summary>
/// The version of an application: up to three numbers, then <c>-</c> or <c>+</c> and a rest. <c>1.2.3-M1</c> comes
/// before
/// <c>1.2.3</c>; without numbers the text itself is compared.
/// </summary>
public class AppVersion : IComparable<AppVersion>, IEquatable<AppVersion>
{
    public const string AssemblyVersionName = "assembly-version";

    private const int Undefined = 0;

    private readonly int[] _numbers;
    private readonly string _rest;

    private AppVersion(string version, int[] numbers, string rest)
    {
        Version = version;
        _numbers = numbers;
        _rest = rest;
    }

    public static AppVersion Zero { get; } = Create("0.0.0");

    /// <summary>The text as given.</summary>
    public string Version { get; }

    public static AppVersion Create(string version)
    {
        ArgumentNullException.ThrowIfNull(version);
        var mark = version.AsSpan().IndexOfAny('-', '+');
        var head = mark < 0 ? version : version[..mark];
        var rest = mark < 0 ? "" : version[(mark + 1)..];
        var numbers = new int[4];
        var parts = head.Split('.');
        if (parts.Length > numbers.Length)
        {
            return new AppVersion(version, null, version);
        }

        for (var i = 0; i < parts.Length; i++)
        {
            if (!int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]))
            {
                return new AppVersion(version, null, version);
            }
        }

        return new AppVersion(version, numbers, rest);
    }

    /// <summary>The version of the entry assembly.</summary>
    public static AppVersion AssemblyVersion()
    {
        var version = Assembly.GetEntryAssembly()?.GetName().Version;
        return version is null ? Zero : Create($"{version.Major}.{version.Minor}.{Math.Max(version.Build, Undefined)}");
    }

    public static bool operator ==(AppVersion first, AppVersion second) => Equals(first, second);

    public static bool operator !=(AppVersion first, AppVersion second) => !Equals(first, second);

    public static bool operator <(AppVersion first, AppVersion second) => Compare(first, second) < 0;

    public static bool operator >(AppVersion first, AppVersion second) => Compare(first, second) > 0;

    public static bool operator <=(AppVersion first, AppVersion second) => Compare(first, second) <= 0;

    public static bool operator >=(AppVersion first, AppVersion second) => Compare(first, second) >= 0;

    public int CompareTo(AppVersion other)
    {
        if (other is null)
        {
            return 1;
        }

        if (_numbers is null || other._numbers is null)
        {
            return string.CompareOrdinal(Version, other.Version);
        }

        var order = _numbers.AsSpan().SequenceCompareTo(other._numbers);
        if (order != 0)
        {
            return order;
        }

        // No rest means the release itself, which comes after its milestones and candidates.
        return (_rest.Length, other._rest.Length) switch
        {
            (0, 0) => 0,
            (0, _) => 1,
            (_, 0) => -1,
            _ => string.CompareOrdinal(_rest, other._rest),
        };
    }

    public bool Equals(AppVersion other) => other is not null && string.Equals(Version, other.Version, StringComparison.Ordinal);

    public override bool Equals(object obj) => Equals(obj as AppVersion);

    public override int GetHashCode() => Version.GetHashCode(StringComparison.Ordinal);

    public override string ToString() => Version;

    private static int Compare(AppVersion first, AppVersion second) =>
        first is null ? (second is null ? 0 : -1) : first.CompareTo(second);
}
