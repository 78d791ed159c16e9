namespace Akka.Configuration.Hocon;

/// <summary>
/// Reads HOCON as Akka.NET 1.5 does, with its limits: no environment variables, no <c>+=</c>, a brace or bracket that
/// is not closed at the end of the text counts as closed. What it cannot read is a <see cref="HoconParserException"/>
/// with line and column; a substitution that leads nowhere is a <see cref="FormatException"/>.
/// </summary>
public class Parser
{
    // Recursion is the stack of this thread; a hostile text must not exhaust it.
    private const int DeepestNesting = 256;

    private readonly HoconReader _reader;
    private readonly Func<string, HoconRoot>? _includeCallback;
    private readonly List<HoconSubstitution> _substitutions = [];
    private int _depth;

    private Parser(string text, Func<string, HoconRoot>? includeCallback)
    {
        _reader = new HoconReader(text);
        _includeCallback = includeCallback;
    }

    /// <summary>Reads <paramref name="text"/>. The callback answers <c>include "name"</c>; without one an include is an
    /// error.</summary>
    public static HoconRoot Parse(string text, Func<string, HoconRoot>? includeCallback)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new Parser(text, includeCallback).ParseRoot();
    }

    private HoconRoot ParseRoot()
    {
        var root = new HoconValue();
        _reader.SkipBlanksAndComments();
        _reader.TryTake("{");
        ParseObject(root, currentPath: "");
        var config = new Config(new HoconRoot(root));
        foreach (var substitution in _substitutions)
        {
            substitution.ResolvedValue = config.GetValue(substitution.Path);
            if (substitution.ResolvedValue is null && !substitution.IsOptional)
            {
                throw new FormatException(
                    $"Unresolved substitution: {substitution.Path} ({substitution.Position}); expected a path of the same text.");
            }
        }

        SubstitutionCycles.Refuse(root);
        return new HoconRoot(root, _substitutions);
    }

    private void ParseObject(HoconValue owner, string currentPath)
    {
        Enter();
        var target = ObjectOf(owner);
        while (true)
        {
            _reader.SkipBlanksAndComments();
            if (_reader.EndOfText || _reader.TryTake("}"))
            {
                break;
            }

            if (_reader.Peek is ',' or ':' or '=' or '[' or ']')
            {
                // Stray separators, as the rest of a value that ended early leaves them, carry no meaning.
                _reader.Skip();
            }
            else if (AtInclude())
            {
                ParseInclude(target, currentPath);
            }
            else
            {
                ParseEntry(target, currentPath);
            }
        }

        _depth--;
    }

    // A later object merges into an earlier one; what a substitution would have brought is given up, as Akka.NET does.
    private static HoconObject ObjectOf(HoconValue owner)
    {
        if (owner.Values is not [HoconObject existing])
        {
            existing = owner.Values.OfType<HoconObject>().LastOrDefault() ?? new HoconObject();
            owner.NewValue(existing);
        }

        return existing;
    }

    private bool AtInclude()
    {
        const string keyword = "include";
        return _reader.StartsWith(keyword) && (_reader.StartsWith(keyword + " ") || _reader.StartsWith(keyword + "\""))
            && _reader.NextAfterBlanksIs(keyword.Length, '"');
    }

    private void ParseInclude(HoconObject target, string currentPath)
    {
        var start = _reader.Index;
        _reader.TryTake("include");
        _reader.TakeBlanks();
        var name = _reader.TakeQuoted();
        if (_includeCallback is null)
        {
            throw new HoconParserException($"{_reader.Position(start)}: include \"{name}\" is not supported here: no include callback was given");
        }

        var included = _includeCallback(name);
        foreach (var substitution in included.Substitutions)
        {
            substitution.Path = Join(currentPath, substitution.Path);
            _substitutions.Add(substitution);
        }

        if (included.Value.GetObject() is { } content)
        {
            target.Merge(content);
        }
    }

    private void ParseEntry(HoconObject target, string currentPath)
    {
        var owner = target;
        var path = currentPath;
        while (true)
        {
            var start = _reader.Index;
            var key = TakeKey();
            path = Join(path, HoconText.QuoteKey(key));
            _reader.TakeBlanks();
            if (_reader.TryTake("."))
            {
                owner = ObjectOf(owner.GetOrCreateKey(key));
                continue;
            }

            ParseKeyContent(owner.GetOrCreateKey(key), path, start);
            return;
        }
    }

    private string TakeKey()
    {
        _reader.TakeBlanks();
        if (_reader.Peek == '"')
        {
            return _reader.TakeQuoted();
        }

        var key = _reader.TakeUnquotedKey();
        return key.Length > 0 ? key : throw _reader.Error("a key");
    }

    private void ParseKeyContent(HoconValue value, string path, int keyStart)
    {
        _reader.SkipBlanksAndComments();
        if (_reader.TryTake("{"))
        {
            ParseObject(value, path);
        }
        else if (_reader.Peek is '=' or ':')
        {
            _reader.Skip();
            ParseValue(value, path);
        }
        else if (!_reader.EndOfText && _reader.Peek != '}')
        {
            throw _reader.Error($"'=', ':' or '{{' after the key '{path}' of {_reader.Position(keyStart)}");
        }
    }

    /// <summary>One value: everything up to the end of the line, a comma or a closing bracket.</summary>
    private void ParseValue(HoconValue owner, string path)
    {
        _reader.SkipBlanksAndComments();
        if (_reader.EndOfText)
        {
            throw _reader.Error($"a value for '{path}'");
        }

        var first = true;
        while (!_reader.EndOfText)
        {
            var blanks = _reader.TakeBlanks();
            var element = TakeElement(owner, first, path, blanks);
            if (element is null)
            {
                break;
            }

            first = false;
        }

        if (first)
        {
            owner.Clear();
        }
    }

    private IHoconElement? TakeElement(HoconValue owner, bool first, string path, string blanks)
    {
        if (_reader.AtComment || _reader.Peek is '\n' or ',' or '}' or ']' or ':' or '=')
        {
            return null;
        }

        if (_reader.Peek == '{')
        {
            _reader.Skip();
            return ParseObjectElement(owner, first, path);
        }

        IHoconElement element;
        if (_reader.Peek == '[')
        {
            _reader.Skip();
            element = ParseArray(path);
        }
        else if (_reader.Peek == '$')
        {
            element = TakeSubstitution();
        }
        else
        {
            element = TakeLiteral();
        }

        if (first)
        {
            owner.Clear();
        }
        else if (blanks.Length > 0 && element is HoconLiteral or HoconSubstitution && owner.Values[^1] is HoconLiteral or HoconSubstitution)
        {
            owner.AppendValue(new HoconLiteral { Value = blanks });
        }

        owner.AppendValue(element);
        return element;
    }

    private IHoconElement ParseObjectElement(HoconValue owner, bool first, string path)
    {
        if (first)
        {
            ParseObject(owner, path);
            return owner.Values[0];
        }

        var next = new HoconValue();
        ParseObject(next, path);
        owner.AppendValue(next.Values[0]);
        return next.Values[0];
    }

    private HoconSubstitution TakeSubstitution()
    {
        var start = _reader.Index;
        if (!_reader.TryTake("${"))
        {
            throw _reader.Error("'${'");
        }

        var optional = _reader.TryTake("?");
        var substitution = new HoconSubstitution(_reader.TakeSubstitutionPath(), optional) { Position = _reader.Position(start) };
        _substitutions.Add(substitution);
        return substitution;
    }

    private HoconLiteral TakeLiteral()
    {
        if (_reader.TryTake("\"\"\""))
        {
            return new HoconLiteral { Value = _reader.TakeTripleQuoted() };
        }

        if (_reader.Peek == '"')
        {
            return new HoconLiteral { Value = _reader.TakeQuoted() };
        }

        var text = _reader.TakeUnquoted();
        if (text.Length == 0)
        {
            throw _reader.Error("a value: text, number, '\"', '[', '{' or '${'");
        }

        return new HoconLiteral { Value = text == "null" ? null : text };
    }

    private HoconArray ParseArray(string path)
    {
        Enter();
        var array = new HoconArray();
        while (true)
        {
            _reader.SkipBlanksAndComments();
            if (_reader.EndOfText || _reader.TryTake("]"))
            {
                break;
            }

            if (_reader.TryTake(","))
            {
                continue;
            }

            if (_reader.Peek is '}' or ':' or '=')
            {
                throw _reader.Error($"an element, ',' or ']' in the array '{path}'");
            }

            var element = new HoconValue();
            ParseValue(element, path);
            array.Add(element);
        }

        _depth--;
        return array;
    }

    private void Enter()
    {
        if (++_depth > DeepestNesting)
        {
            throw new HoconParserException($"{_reader.Position(_reader.Index)}: nested deeper than {DeepestNesting} levels");
        }
    }

    private static string Join(string path, string key) => path.Length == 0 ? key : $"{path}.{key}";
}
