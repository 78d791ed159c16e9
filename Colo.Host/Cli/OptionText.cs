using System.Globalization;

namespace Colo.Host.Cli;

/// <summary>Option values of the command line: sizes and comma-separated settings.</summary>
internal static class OptionText
{
    /// <summary>A size such as 512M, 2G or 268435456; null when it is none.</summary>
    public static ulong? ParseSize(string text)
    {
        if (text.Length == 0)
        {
            return null;
        }

        int shift = char.ToUpperInvariant(text[^1]) switch { 'K' => 10, 'M' => 20, 'G' => 30, _ => 0 };
        string digits = shift > 0 ? text[..^1] : text;
        return ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) && value <= ulong.MaxValue >> shift
            ? value << shift
            : null;
    }

    /// <summary><c>name=value,flag</c> as pairs; a setting without value has the empty string.</summary>
    public static IEnumerable<(string Name, string Value)> Settings(string text)
    {
        foreach (string part in text.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = part.IndexOf('=', StringComparison.Ordinal);
            yield return equals < 0 ? (part, "") : (part[..equals], part[(equals + 1)..]);
        }
    }
}
