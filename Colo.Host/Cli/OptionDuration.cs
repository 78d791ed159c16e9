using System.Globalization;

namespace Colo.Host.Cli;

/// <summary>A length of time on the command line: 500ms, 60s, 2m or 1h.</summary>
internal static class OptionDuration
{
    private static readonly (string Unit, double Seconds)[] Units = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)];

    /// <exception cref="CommandLineException">Not a length of time above zero and up to a week.</exception>
    public static TimeSpan Parse(string option, string text)
    {
        foreach ((string unit, double seconds) in Units)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal)
                && double.TryParse(text.AsSpan(0, text.Length - unit.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number)
                && number * seconds is >= 0.001 and <= 7 * 24 * 3600)
            {
                return TimeSpan.FromSeconds(number * seconds);
            }
        }

        throw new CommandLineException($"{option} {text}: expected a time like 500ms, 60s, 2m or 1h");
    }
}
