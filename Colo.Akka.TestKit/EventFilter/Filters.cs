using System.Text.RegularExpressions;
using Akka.Event;

namespace Akka.TestKit;

/// <summary>Which log events are meant.</summary>
public abstract class EventFilterBase
{
    private readonly object _gate = new();
    private int _matched;
    private TaskCompletionSource _reached;
    private int _wanted = int.MaxValue;

    internal int Matched
    {
        get
        {
            lock (_gate)
            {
                return _matched;
            }
        }
    }

    protected abstract bool IsMatch(LogEvent evt);

    protected abstract string FilterDescription { get; }

    public override string ToString() => FilterDescription;

    internal bool Apply(LogEvent logEvent)
    {
        if (!IsMatch(logEvent))
        {
            return false;
        }

        TaskCompletionSource reached = null;
        lock (_gate)
        {
            if (++_matched >= _wanted)
            {
                (reached, _reached) = (_reached, null);
            }
        }

        reached?.TrySetResult();
        return true;
    }

    /// <summary>Completes when so many events have matched since the last reset.</summary>
    internal Task AwaitMatches(int count)
    {
        lock (_gate)
        {
            _wanted = count;
            if (_matched >= count)
            {
                return Task.CompletedTask;
            }

            _reached ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _reached.Task;
        }
    }

    internal void Reset()
    {
        lock (_gate)
        {
            _matched = 0;
            _wanted = int.MaxValue;
        }
    }
}

/// <summary>By level, text and source.</summary>
internal sealed class LevelFilter(LogLevel level, TextMatch text, string source) : EventFilterBase
{
    protected override string FilterDescription => $"{level} when {text}" + (source is null ? "" : $" from {source}");

    protected override bool IsMatch(LogEvent evt) =>
        evt.LogLevel() == level && SourceMatch.Fits(source, evt) && text.Fits(evt.Message?.ToString() ?? "");
}

/// <summary>Errors caused by an exception of a type.</summary>
internal sealed class ExceptionFilter(Type type, TextMatch text, string source, bool inner) : EventFilterBase
{
    protected override string FilterDescription => $"error caused by {type.Name} when {text}";

    protected override bool IsMatch(LogEvent evt)
    {
        if (evt is not Error || !SourceMatch.Fits(source, evt))
        {
            return false;
        }

        if (evt.Cause is null)
        {
            return text.Fits(evt.Message?.ToString() ?? "") && type == typeof(Exception) && !text.IsAny;
        }

        for (var cause = evt.Cause; cause is not null; cause = inner ? cause.InnerException : null)
        {
            if (type.IsInstanceOfType(cause)
                && (text.IsAny || text.Fits(evt.Message?.ToString() ?? "") || text.Fits(cause.Message)))
            {
                return true;
            }
        }

        return false;
    }
}

internal sealed class DeadLettersFilter(Func<DeadLetter, bool> isMatch, string source) : EventFilterBase
{
    protected override string FilterDescription => "dead letter";

    protected override bool IsMatch(LogEvent evt) =>
        evt is Warning && evt.Message is DeadLetter dead && SourceMatch.Fits(source, evt) && isMatch(dead);
}

internal sealed class CustomFilter(Predicate<LogEvent> isMatch) : EventFilterBase
{
    protected override string FilterDescription => "custom filter";

    protected override bool IsMatch(LogEvent evt) => isMatch(evt);
}

/// <summary>A condition on a text. Without any, every text fits.</summary>
internal sealed record TextMatch(string Equal = null, string Start = null, string Contains = null, Regex Pattern = null)
{
    public bool IsAny => Equal is null && Start is null && Contains is null && Pattern is null;

    public bool Fits(string text) =>
        (Equal is null || text == Equal)
        && (Start is null || text.StartsWith(Start, StringComparison.Ordinal))
        && (Contains is null || text.Contains(Contains, StringComparison.Ordinal))
        && (Pattern is null || Pattern.IsMatch(text));
}

internal static class SourceMatch
{
    /// <summary>The name of a source, with or without the address of its system behind it.</summary>
    public static bool Fits(string source, LogEvent evt) =>
        source is null || evt.LogSource == source
        || evt.LogSource?.StartsWith(source + "(", StringComparison.Ordinal) == true
        || evt.LogSource?.StartsWith(source + "[", StringComparison.Ordinal) == true;
}
