using Akka.Actor;

namespace Akka.Event;

/// <summary>The bus that log events travel on.</summary>
public class LoggingBus : ActorEventBus<object, Type>
{
    private static readonly LogLevel[] AllLevels =
        [LogLevel.DebugLevel, LogLevel.InfoLevel, LogLevel.WarningLevel, LogLevel.ErrorLevel];

    private readonly List<IActorRef> _loggers = [];

    /// <summary>What is below is not even made into an event.</summary>
    public LogLevel LogLevel { get; private set; } = LogLevel.InfoLevel;

    public void SetLogLevel(LogLevel logLevel)
    {
        LogLevel = logLevel;
        foreach (var logger in Loggers())
        {
            SubscribeLevels(logLevel, logger);
        }
    }

    /// <summary>Until the loggers of the configuration have started, and again after they have stopped.</summary>
    public void StartStdoutLogger(Settings config)
    {
        var level = Logging.LogLevelFor(config.StdoutLogLevel);
        SetLogLevel(level);
        SubscribeLevels(level, config.StdoutLogger);
    }

    internal IActorRef[] Loggers()
    {
        lock (_loggers)
        {
            return [.. _loggers];
        }
    }

    internal void AddLogger(IActorRef logger, LogLevel level)
    {
        lock (_loggers)
        {
            _loggers.Add(logger);
        }

        SubscribeLevels(level, logger);
    }

    internal void RemoveLogger(IActorRef logger)
    {
        lock (_loggers)
        {
            _loggers.Remove(logger);
        }

        Unsubscribe(logger);
    }

    protected override bool IsSubClassification(Type parent, Type child) => parent.IsAssignableFrom(child);

    protected override void Publish(object @event, IActorRef subscriber) =>
        subscriber.Tell(@event, ActorRefs.NoSender);

    protected override bool Classify(object @event, Type classifier) => classifier.IsInstanceOfType(@event);

    protected override Type GetClassifier(object @event) => @event.GetType();

    private protected void SubscribeLevels(LogLevel lowest, IActorRef logger)
    {
        foreach (var level in AllLevels)
        {
            if (level >= lowest)
            {
                Subscribe(logger, level.ClassFor());
            }
            else
            {
                Unsubscribe(logger, level.ClassFor());
            }
        }
    }
}
