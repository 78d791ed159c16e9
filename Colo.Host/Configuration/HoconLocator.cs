namespace Colo.Host.Configuration;

/// <summary>
/// Finds on which line of a HOCON text a key is set, for error messages: Akka's reader keeps no positions. It follows
/// braces, brackets, strings and comments and nothing else; the last setting of a key wins, as in the reader.
/// The text may be anybody's: what nests deeper than any reader takes is not followed, and a longer path than any key
/// is cut, so that a small text costs neither the stack nor memory by its square.
/// </summary>
internal sealed class HoconLocator
{
    /// <summary>As deep as the reader goes.</summary>
    private const int DepthMax = 256;

    /// <summary>Far more than the longest key of Colo with a VM's name in it.</summary>
    private const int PathMax = 300;

    private readonly Dictionary<string, int> lines = new(StringComparer.Ordinal);
    private readonly string text;
    private int at;
    private int line = 1;
    private int depth;

    private HoconLocator(string text) => this.text = text;

    /// <summary>Key paths of the text and the lines, from 1, on which they are set.</summary>
    public static IReadOnlyDictionary<string, int> Lines(string text)
    {
        var locator = new HoconLocator(text);
        locator.ReadObject(string.Empty);
        return locator.lines;
    }

    private void ReadObject(string prefix)
    {
        if (depth == DepthMax)
        {
            at = text.Length;
            return;
        }

        depth++;
        while (SkipBlank())
        {
            if (text[at] == '}')
            {
                at++;
                break;
            }

            int before = at;
            int keyLine = line;
            string key = ReadKey();
            string path = Join(prefix, prefix.Length == 0 ? string.Empty : ".", key);
            if (key.Length > 0)
            {
                lines[path] = keyLine;
            }

            ReadValue(path);
            if (at == before)
            {
                at++; // whatever this is, the reader will complain about it
            }
        }

        depth--;
    }

    private static string Join(string prefix, string between, string key)
    {
        int room = Math.Max(0, PathMax - prefix.Length - between.Length);
        return room == 0 ? prefix : string.Concat(prefix, between, key.AsSpan(0, Math.Min(key.Length, room)));
    }

    private string ReadKey()
    {
        int start = at;
        while (at < text.Length && text[at] is not ('=' or ':' or '{' or '}' or '\n' or '#'))
        {
            if (text[at] == '"')
            {
                SkipString();
                continue;
            }

            at++;
        }

        return text[start..at].Trim().Trim('"');
    }

    private void ReadValue(string path)
    {
        while (at < text.Length && text[at] is ' ' or '\t' or '=' or ':' or '+')
        {
            at++;
        }

        if (at < text.Length && text[at] == '{')
        {
            at++;
            ReadObject(path);
        }
        else if (at < text.Length && text[at] == '[')
        {
            ReadArray(path);
        }
        else
        {
            SkipToEndOfValue();
        }
    }

    private void ReadArray(string path)
    {
        at++;
        for (int index = 0; SkipBlank() && text[at] != ']'; index++)
        {
            int before = at;
            string element = Join(path, string.Empty, $"[{index}]");
            lines[element] = line;
            if (text[at] == '{')
            {
                at++;
                ReadObject(element);
            }
            else
            {
                SkipToEndOfValue();
            }

            if (at == before)
            {
                at++;
            }
        }

        at = Math.Min(at + 1, text.Length);
    }

    private void SkipToEndOfValue()
    {
        while (at < text.Length && text[at] is not ('\n' or ',' or '}' or ']' or '#'))
        {
            if (text[at] == '"')
            {
                SkipString();
                continue;
            }

            at++;
        }
    }

    private void SkipString()
    {
        if (text.AsSpan(at).StartsWith("\"\"\""))
        {
            int end = text.IndexOf("\"\"\"", at + 3, StringComparison.Ordinal);
            end = end < 0 ? text.Length : end + 3;
            line += text.AsSpan(at, end - at).Count('\n');
            at = end;
            return;
        }

        at++;
        while (at < text.Length && text[at] is not ('"' or '\n'))
        {
            at += text[at] == '\\' ? 2 : 1;
        }

        at = Math.Min(at + 1, text.Length);
    }

    /// <summary>Moves to the next character that means something; false at the end.</summary>
    private bool SkipBlank()
    {
        while (at < text.Length)
        {
            char next = text[at];
            if (next == '#' || text.AsSpan(at).StartsWith("//"))
            {
                int end = text.IndexOf('\n', at);
                at = end < 0 ? text.Length : end;
            }
            else if (next is ' ' or '\t' or '\r' or '\n' or ',')
            {
                line += next == '\n' ? 1 : 0;
                at++;
            }
            else
            {
                return true;
            }
        }

        return false;
    }
}
