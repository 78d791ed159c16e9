using System.Buffers;
using System.Globalization;

namespace Akka.Configuration.Hocon;

/// <summary>Durations and byte sizes as Akka.NET reads them. Units are case-sensitive.</summary>
internal static class HoconUnits
{
    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("0123456789.");

    // Powers of 1024 for the short and the binary names, of 1000 for the SI names: 10k = 10240, 10kB = 10000.
    private static readonly Dictionary<string, long> ByteFactors = BuildByteFactors();

    internal static TimeSpan ParseDuration(string? text, bool allowInfinite)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (allowInfinite && text.Equals("infinite", StringComparison.OrdinalIgnoreCase))
        {
            return Timeout.InfiniteTimeSpan;
        }

        var digits = text.AsSpan().IndexOfAnyExcept(NumberCharacters);
        var number = digits < 0 ? text.AsSpan() : text.AsSpan(0, digits);
        var unit = digits < 0 ? default : text.AsSpan(digits).Trim();
        if (!double.TryParse(number, NumberStyles.AllowDecimalPoint, NumberFormatInfo.InvariantInfo, out var value))
        {
            throw BadDuration(text);
        }

        return unit switch
        {
            "" or "ms" or "millisecond" or "milliseconds" or "milli" or "millis" => TimeSpan.FromMilliseconds(value),
            "s" or "second" or "seconds" => TimeSpan.FromSeconds(value),
            "m" or "minute" or "minutes" => TimeSpan.FromMinutes(value),
            "h" or "hour" or "hours" => TimeSpan.FromHours(value),
            "d" or "day" or "days" => TimeSpan.FromDays(value),
            _ => throw BadDuration(text),
        };
    }

    internal static long ParseByteSize(string text)
    {
        var digits = text.AsSpan().IndexOfAnyExceptInRange('0', '9');
        var number = digits < 0 ? text.AsSpan() : text.AsSpan(0, digits);
        var unit = digits < 0 ? "" : text[digits..].Trim();
        if (number.IsEmpty || !ByteFactors.TryGetValue(unit, out var factor))
        {
            throw new FormatException($"'{text}' is not a byte size; expected a whole number and a unit such as b, k, kB, MiB.");
        }

        return checked(long.Parse(number, NumberStyles.None, NumberFormatInfo.InvariantInfo) * factor);
    }

    private static FormatException BadDuration(string text) =>
        new($"'{text}' is not a duration; expected a number and one of ms, s, m, h, d, such as 500ms, or infinite where allowed.");

    private static Dictionary<string, long> BuildByteFactors()
    {
        var factors = new Dictionary<string, long>(StringComparer.Ordinal)
        {
            [""] = 1, ["b"] = 1, ["B"] = 1, ["byte"] = 1, ["bytes"] = 1,
        };
        (string Letter, string Binary, string Decimal)[] units =
        [
            ("k", "kibi", "kilo"), ("m", "mebi", "mega"), ("g", "gibi", "giga"),
            ("t", "tebi", "tera"), ("p", "pebi", "peta"), ("e", "exbi", "exa"),
        ];
        long binary = 1;
        long si = 1;
        foreach (var (letter, binaryName, siName) in units)
        {
            binary *= 1024;
            si *= 1000;
            var upper = letter.ToUpperInvariant();
            foreach (var name in new[] { letter, upper, $"{upper}i", $"{upper}iB", $"{binaryName}byte", $"{binaryName}bytes" })
            {
                factors[name] = binary;
            }

            foreach (var name in new[] { letter == "k" ? "kB" : $"{upper}B", $"{siName}byte", $"{siName}bytes" })
            {
                factors[name] = si;
            }
        }

        return factors;
    }
}
