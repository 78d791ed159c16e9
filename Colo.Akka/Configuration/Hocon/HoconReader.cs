using System.Globalization;
using System.Text;

namespace Akka.Configuration.Hocon;

/// <summary>A cursor over HOCON text: characters, blanks, comments and the three kinds of text, with positions for
/// errors.</summary>
internal sealed class HoconReader(string text)
{
    private int _index;

    internal bool EndOfText => _index >= text.Length;

    internal char Peek => _index < text.Length ? text[_index] : '\0';

    internal int Index => _index;

    internal void Skip(int count = 1) => _index = Math.Min(text.Length, _index + count);

    internal bool StartsWith(string expected) => string.CompareOrdinal(text, _index, expected, 0, expected.Length) == 0;

    internal bool TryTake(string expected)
    {
        if (!StartsWith(expected))
        {
            return false;
        }

        _index += expected.Length;
        return true;
    }

    /// <summary>Whether the first character after <paramref name="offset"/> characters and then blanks is
    /// <paramref name="c"/>.</summary>
    internal bool NextAfterBlanksIs(int offset, char c)
    {
        var i = _index + offset;
        while (i < text.Length && text[i] is ' ' or '\t')
        {
            i++;
        }

        return i < text.Length && text[i] == c;
    }

    internal bool AtComment => Peek == '#' || StartsWith("//");

    /// <summary>Skips blanks on this line and returns them, because between two texts they belong to the
    /// value.</summary>
    internal string TakeBlanks()
    {
        var start = _index;
        while (!EndOfText && Peek != '\n' && IsWhiteSpace(Peek))
        {
            _index++;
        }

        return text[start.._index];
    }

    internal void SkipComment()
    {
        var end = text.IndexOf('\n', _index);
        _index = end < 0 ? text.Length : end;
    }

    /// <summary>Skips blanks, line ends and comments. True when at least one line end was passed.</summary>
    internal bool SkipBlanksAndComments()
    {
        var newLine = false;
        while (!EndOfText)
        {
            if (IsWhiteSpace(Peek))
            {
                newLine |= Peek == '\n';
                _index++;
            }
            else if (AtComment)
            {
                SkipComment();
            }
            else
            {
                break;
            }
        }

        return newLine;
    }

    /// <summary>Text without quotes, up to a reserved character, a blank or a comment.</summary>
    internal string TakeUnquoted()
    {
        var start = _index;
        while (!EndOfText && !IsWhiteSpace(Peek) && !AtComment && !HoconText.NotInUnquotedText.Contains(Peek))
        {
            _index++;
        }

        return text[start.._index];
    }

    /// <summary>One part of an unquoted key. Blanks inside are kept (so <c>a += 1</c> sets the key <c>a +</c>), around
    /// it dropped.</summary>
    internal string TakeUnquotedKey()
    {
        var start = _index;
        while (!EndOfText && Peek != '\n' && !AtComment && !HoconText.NotInUnquotedKey.Contains(Peek))
        {
            _index++;
        }

        return text[start.._index].Trim();
    }

    /// <summary>Text in one pair of quotes, escapes resolved; the cursor stands on the opening quote.</summary>
    internal string TakeQuoted()
    {
        var start = _index++;
        var content = new StringBuilder();
        while (Peek != '"' || EndOfText)
        {
            if (EndOfText)
            {
                throw Error("a closing '\"'", start);
            }

            if (Peek == '\\')
            {
                content.Append(TakeEscape());
            }
            else
            {
                content.Append(Peek);
                _index++;
            }
        }

        _index++;
        return content.ToString();
    }

    /// <summary>Text in triple quotes, verbatim; the cursor stands after the opening three.</summary>
    internal string TakeTripleQuoted()
    {
        var start = _index;
        var end = text.IndexOf("\"\"\"", start, StringComparison.Ordinal);
        if (end < 0)
        {
            throw Error("a closing '\"\"\"'", start);
        }

        // Four or more quotes at the end: the last three close, the ones before belong to the text.
        while (end + 3 < text.Length && text[end + 3] == '"')
        {
            end++;
        }

        _index = end + 3;
        return text[start..end];
    }

    /// <summary>The path of a substitution; the cursor stands after <c>${</c> or <c>${?</c>.</summary>
    internal string TakeSubstitutionPath()
    {
        var start = _index;
        var end = text.IndexOf('}', start);
        if (end < 0)
        {
            throw Error("a closing '}' of the substitution", start);
        }

        _index = end + 1;
        return text[start..end].Trim();
    }

    internal string Position(int index)
    {
        var line = 1;
        var lineStart = 0;
        for (var i = 0; i < index && i < text.Length; i++)
        {
            if (text[i] == '\n')
            {
                line++;
                lineStart = i + 1;
            }
        }

        return $"line {line}, column {Math.Min(index, text.Length) - lineStart + 1}";
    }

    internal HoconParserException Error(string expected, int? at = null)
    {
        var index = at ?? _index;
        var found = index < text.Length ? $"'{Excerpt(index)}'" : "the end of the text";
        return new HoconParserException($"{Position(index)}: expected {expected}, found {found}");
    }

    private string Excerpt(int index)
    {
        var end = text.AsSpan(index).IndexOfAny('\r', '\n');
        var length = Math.Min(end < 0 ? text.Length - index : end, 24);
        return length == 0 ? "end of line" : text.Substring(index, length);
    }

    private char TakeEscape()
    {
        var start = _index++;
        var code = Peek;
        _index++;
        switch (code)
        {
            case '"' or '\\' or '/':
                return code;
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'u' when _index + 4 <= text.Length
                && ushort.TryParse(text.AsSpan(_index, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var unit):
                _index += 4;
                return (char)unit;
            default:
                throw Error("one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX", start);
        }
    }

    private static bool IsWhiteSpace(char c) => char.IsWhiteSpace(c) || c == '\uFEFF';
}
