namespace Colo.Host.Configuration;

/// <summary>
/// Finds on which line of a HOCON text a key is set, for error messages: Akka's reader keeps no positions. It follows
/// braces, brackets, strings and comments and nothing else; the last setting of a key wins, as in the reader.
/// </summary>
internal sealed class HoconLocator
{
    private readonly Dictionary<string, int> lines = new(StringComparer.Ordinal);
    private readonly string text;
    private int at;
    private int line = 1;

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
        while (SkipBlank())
        {
            if (text[at] == '}')
            {
                at++;
                return;
            }

            int before = at;
            int keyLine = line;
            string key = ReadKey();
            string path = prefix.Length == 0 ? key : $"{prefix}.{key}";
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
            string element = $"{path}[{index}]";
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
