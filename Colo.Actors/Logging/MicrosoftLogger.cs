using Akka.Actor;
using Akka.Dispatch;
using Akka.Event;
using Microsoft.Extensions.Logging;
using MicrosoftLogLevel = Microsoft.Extensions.Logging.LogLevel;

namespace Colo.Actors.Logging;

/// <summary>
/// Passes log events on to the logger factory of <see cref="LoggerFactorySetup"/>. The category is the class that wrote
/// the line; the actor's path is the scope value <c>ActorPath</c>. Without a factory it writes nothing.
/// </summary>
public sealed class MicrosoftLogger : ReceiveActor, IRequiresMessageQueue<ILoggerMessageQueueSemantics>
{
    private readonly Dictionary<Type, ILogger> _loggers = [];
    private ILoggerFactory? _factory;

    public MicrosoftLogger()
    {
        Receive<InitializeLogger>(_ =>
        {
            var setup = Context.System.Settings.Setup.Get<LoggerFactorySetup>();
            _factory = setup.HasValue ? setup.Value.LoggerFactory : null;
            Sender.Tell(new LoggerInitialized());
        });
        Receive<LogEvent>(Write);
    }

    private static MicrosoftLogLevel LevelOf(LogEvent line) => line switch
    {
        Error => MicrosoftLogLevel.Error,
        Warning => MicrosoftLogLevel.Warning,
        Info => MicrosoftLogLevel.Information,
        _ => MicrosoftLogLevel.Debug,
    };

    private void Write(LogEvent line)
    {
        if (_factory is null)
        {
            return;
        }

        var type = line.LogClass ?? typeof(MicrosoftLogger);
        if (!_loggers.TryGetValue(type, out var logger))
        {
            _loggers[type] = logger = _factory.CreateLogger(type);
        }

        var level = LevelOf(line);
        if (!logger.IsEnabled(level))
        {
            return;
        }

        using (logger.BeginScope(new KeyValuePair<string, object?>("ActorPath", line.LogSource)))
        {
            logger.Log(level, default, line, line.Cause, static (l, _) => l.Message?.ToString() ?? "");
        }
    }
}
