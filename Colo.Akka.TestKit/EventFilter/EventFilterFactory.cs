using System.Text.RegularExpressions;
using Akka.Actor;
using Akka.Event;

namespace Akka.TestKit;

/// <summary>Says which log events a test expects.</summary>
public class EventFilterFactory
{
    private readonly TestKitBase _testkit;
    private readonly ActorSystem _system;
    private readonly EventFilterBase[] _before;

    public EventFilterFactory(TestKitBase testkit)
        : this(testkit, testkit.Sys)
    {
    }

    public EventFilterFactory(TestKitBase testkit, ActorSystem system)
        : this(testkit, system, [])
    {
    }

    internal EventFilterFactory(TestKitBase testkit, ActorSystem system, EventFilterBase[] before)
    {
        _testkit = testkit;
        _system = system;
        _before = before;
    }

    public IEventFilterApplier Exception<TException>(Regex pattern, string source = null)
        where TException : Exception => Exception(typeof(TException), pattern, source);

    public IEventFilterApplier Exception(Type exceptionType, Regex pattern, string source = null) =>
        Apply(new ExceptionFilter(exceptionType, new TextMatch(Pattern: pattern), source, inner: false));

    public IEventFilterApplier Exception<TException>(
        string message = null, string start = null, string contains = null, string source = null)
        where TException : Exception => Exception(typeof(TException), message, start, contains, source);

    public IEventFilterApplier Exception(
        Type exceptionType, string message = null, string start = null, string contains = null, string source = null,
        bool checkInnerExceptions = false) =>
        Apply(new ExceptionFilter(
            exceptionType, new TextMatch(message, start, contains), source, checkInnerExceptions));

    public IEventFilterApplier Error(
        string message = null, string start = null, string contains = null, string source = null) =>
        ForLogLevel(LogLevel.ErrorLevel, message, start, contains, source);

    public IEventFilterApplier Error(Regex pattern, string source = null) =>
        ForLogLevel(LogLevel.ErrorLevel, pattern, source);

    public IEventFilterApplier Warning(
        string message = null, string start = null, string contains = null, string source = null) =>
        ForLogLevel(LogLevel.WarningLevel, message, start, contains, source);

    public IEventFilterApplier Warning(Regex pattern, string source = null) =>
        ForLogLevel(LogLevel.WarningLevel, pattern, source);

    public IEventFilterApplier Info(
        string message = null, string start = null, string contains = null, string source = null) =>
        ForLogLevel(LogLevel.InfoLevel, message, start, contains, source);

    public IEventFilterApplier Info(Regex pattern, string source = null) =>
        ForLogLevel(LogLevel.InfoLevel, pattern, source);

    public IEventFilterApplier Debug(
        string message = null, string start = null, string contains = null, string source = null) =>
        ForLogLevel(LogLevel.DebugLevel, message, start, contains, source);

    public IEventFilterApplier Debug(Regex pattern, string source = null) =>
        ForLogLevel(LogLevel.DebugLevel, pattern, source);

    public IEventFilterApplier ForLogLevel(
        LogLevel logLevel, string message = null, string start = null, string contains = null, string source = null) =>
        Apply(new LevelFilter(logLevel, new TextMatch(message, start, contains), source));

    public IEventFilterApplier ForLogLevel(LogLevel logLevel, Regex pattern, string source = null) =>
        Apply(new LevelFilter(logLevel, new TextMatch(Pattern: pattern), source));

    public IEventFilterApplier DeadLetter() => Apply(new DeadLettersFilter(static _ => true, null));

    public IEventFilterApplier DeadLetter<TMessage>(string source = null) =>
        Apply(new DeadLettersFilter(static d => d.Message is TMessage, source));

    public IEventFilterApplier DeadLetter<TMessage>(Func<TMessage, bool> isMatch, string source = null) =>
        Apply(new DeadLettersFilter(d => d.Message is TMessage message && isMatch(message), source));

    public IEventFilterApplier DeadLetter(Type type, string source = null) =>
        Apply(new DeadLettersFilter(d => type.IsInstanceOfType(d.Message), source));

    public IEventFilterApplier DeadLetter(Type type, Func<object, bool> isMatch, string source = null) =>
        Apply(new DeadLettersFilter(d => type.IsInstanceOfType(d.Message) && isMatch(d.Message), source));

    public IEventFilterApplier Custom(Predicate<LogEvent> predicate) => Apply(new CustomFilter(predicate));

    public IEventFilterApplier Custom<TLogEvent>(Predicate<TLogEvent> predicate)
        where TLogEvent : LogEvent => Apply(new CustomFilter(e => e is TLogEvent typed && predicate(typed)));

    private InternalEventFilterApplier Apply(EventFilterBase filter) => new(_testkit, _system, [.. _before, filter]);
}
