using System.Text.RegularExpressions;

namespace Colo.Host.Tests.Style;

/// <summary>
/// The rules that look at one C# file. They read the layout that the formatter keeps (a brace on a line of its own,
/// four spaces a level), not the language: enough to find what is too long, and no package is needed.
/// </summary>
internal static partial class SourceRules
{
    private const int ColumnsMax = 120;
    private const int MethodLinesMax = 70;
    private const int ProductionLinesMax = 600;
    private const int TestLinesMax = 800;

    public static IEnumerable<Offence> Check(string path, string[] lines)
    {
        int linesMax = SourceTree.IsTest(path) ? TestLinesMax : ProductionLinesMax;
        if (lines.Length > linesMax)
        {
            yield return new Offence(path, linesMax + 1, "file-length", $"{lines.Length} lines, at most {linesMax}", lines.Length - linesMax);
        }

        for (int i = 0; i < lines.Length; i++)
        {
            if (lines[i].Length > ColumnsMax)
            {
                yield return new Offence(path, i + 1, "line-length", $"{lines[i].Length} columns, at most {ColumnsMax}");
            }

            foreach (Match match in BannedWord().Matches(lines[i]))
            {
                yield return new Offence(path, i + 1, "banned-word", $"'{match.Value}'");
            }

            if (EmptyDocumentation().Match(lines[i]) is { Success: true } empty)
            {
                yield return new Offence(path, i + 1, "documentation", $"'{empty.Value}' says nothing that the signature does not");
            }
        }

        foreach ((int start, int length) in Methods(lines))
        {
            if (length > MethodLinesMax)
            {
                yield return new Offence(path, start + 1, "method-length", $"{length} lines, at most {MethodLinesMax}", length - MethodLinesMax);
            }
        }
    }

    /// <summary>The file-scoped namespace has to be the project's root namespace and the folder.</summary>
    public static IEnumerable<Offence> CheckNamespace(string path, string[] lines, string projectFolder, string rootNamespace)
    {
        string folder = Path.GetDirectoryName(path)!.Replace('\\', '/');
        string expected = folder.Length == projectFolder.Length
            ? rootNamespace
            : rootNamespace + "." + folder[(projectFolder.Length + 1)..].Replace('/', '.');
        int at = Array.FindIndex(lines, line => line.StartsWith("namespace ", StringComparison.Ordinal));
        if (at >= 0 && lines[at] != $"namespace {expected};")
        {
            yield return new Offence(path, at + 1, "namespace", $"'{lines[at]}', expected 'namespace {expected};'");
        }
    }

    /// <summary>First line and number of lines of every member with a body of statements.</summary>
    internal static IEnumerable<(int Start, int Length)> Methods(string[] lines)
    {
        Stack<(int Indent, bool IsType, int Start)> open = new();
        for (int i = 0; i < lines.Length; i++)
        {
            string text = lines[i].TrimStart();
            int indent = lines[i].Length - text.Length;
            if (text == "{")
            {
                int start = HeaderStart(lines, i);
                open.Push((indent, TypeWord().IsMatch(string.Join(' ', lines[start..i])), start));
            }
            else if (text.StartsWith('}') && open.TryPeek(out var block) && block.Indent == indent)
            {
                open.Pop();
                if (!block.IsType && (open.Count == 0 || open.Peek().IsType))
                {
                    yield return (block.Start, i - block.Start + 1);
                }
            }
        }
    }

    private static int HeaderStart(string[] lines, int brace)
    {
        int start = brace;
        while (start > 0 && lines[start - 1].TrimStart() is { Length: > 0 } above
            && !above.StartsWith("//", StringComparison.Ordinal) && above[0] is not ('}' or '{' or '[') && above[^1] != ';')
        {
            start--;
        }

        return start;
    }

    [GeneratedRegex(@"\b(TBD|FIXME)\b|\bTODO\b(?!.*#\d)|Thread\.Sleep|DateTime\.(Utc)?Now|Task\.Delay\(\d")]
    private static partial Regex BannedWord();

    [GeneratedRegex(@"<summary>\s*(Gets or sets|Gets the|Sets the)\b|<summary>\s*</summary>|<returns>\s*</returns>|<param name=""\w+"">\s*</param>")]
    private static partial Regex EmptyDocumentation();

    [GeneratedRegex(@"\b(class|struct|record|interface|enum|namespace|extension)\b")]
    private static partial Regex TypeWord();
}
