using System.Text;

namespace Akka.Configuration.Hocon;

/// <summary>Rules of the notation that reader and writer share: reserved characters, paths, quoting.</summary>
internal static class HoconText
{
    internal const string NotInUnquotedText = "$\"{}[]:=,#`^?!@*&\\";
    internal const string NotInUnquotedKey = NotInUnquotedText + ".";

    /// <summary>Splits <c>a."b.c".d</c> into <c>a</c>, <c>b.c</c>, <c>d</c>.</summary>
    internal static List<string> SplitPath(string path)
    {
        var parts = new List<string>();
        var part = new StringBuilder();
        var quoted = false;
        foreach (var c in path)
        {
            if (c == '"')
            {
                quoted = !quoted;
            }
            else if (c == '.' && !quoted)
            {
                parts.Add(part.ToString());
                part.Clear();
            }
            else
            {
                part.Append(c);
            }
        }

        parts.Add(part.ToString());
        return parts;
    }

    internal static string QuoteKey(string key) =>
        key.Length > 0 && !NeedsQuotes(key, NotInUnquotedKey) ? key : Quote(key);

    internal static string QuoteValue(string? text) =>
        text is null ? "null" : text.Length > 0 && !NeedsQuotes(text, NotInUnquotedText) ? text : Quote(text);

    private static bool NeedsQuotes(string text, string reserved) =>
        text.AsSpan().ContainsAny(reserved)
        || text.Contains("//", StringComparison.Ordinal)
        || text.Any(char.IsControl)
        || char.IsWhiteSpace(text[0])
        || char.IsWhiteSpace(text[^1]);

    private static string Quote(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var c in text)
        {
            quoted.Append(c switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                < ' ' => $"\\u{(int)c:x4}",
                _ => c.ToString(),
            });
        }

        return quoted.Append('"').ToString();
    }
}
