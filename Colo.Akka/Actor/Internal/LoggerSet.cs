using Akka.Configuration;
using Akka.Event;
using Akka.Util;

namespace Akka.Actor.Internal;

/// <summary>Starts the loggers of the configuration, and gives the log back to the console at the end.</summary>
internal sealed class LoggerSet(ActorSystemImpl system)
{
    private int _number = 1;

    public void Start()
    {
        var settings = system.Settings;
        var stream = system.EventStream;
        var level = Logging.LogLevelFor(settings.LogLevel);
        var useStdout = false;
        foreach (var name in settings.Loggers)
        {
            var type = TypeNames.Resolve(name)
                ?? throw new ConfigurationException(
                    $"Logger specified in config cannot be found: \"{name}\"");
            if (typeof(MinimalLogger).IsAssignableFrom(type))
            {
                useStdout = true;
                continue;
            }

            Add(type, name, level);
        }

        stream.SetLogLevel(level);
        if (!useStdout)
        {
            stream.Unsubscribe(settings.StdoutLogger);
        }

        stream.StartUnsubscriber(system);
    }

    /// <summary>What is logged from here on goes to the console.</summary>
    public void Stop()
    {
        var stream = system.EventStream;
        var loggers = stream.Loggers();
        if (loggers.Length > 0)
        {
            foreach (var logger in loggers)
            {
                stream.RemoveLogger(logger);
            }

            stream.StartStdoutLogger(system.Settings);
        }
    }

    /// <summary>
    /// Waits for the answer, as a logger may subscribe to more than log events in its start. Where nothing may block,
    /// the events queue up behind InitializeLogger. So they do for a logger that a busy machine lets start late: it has
    /// said nothing wrong, and is only dropped when it has stopped or answers something else.
    /// </summary>
    private void Add(Type type, string name, LogLevel level)
    {
        var loggerName = "log" + _number++ + "-" + Logging.SimpleName(type).Replace('`', '-');
        var logger = system.SystemActorOf(
            Props.Create(type).WithDispatcher(system.Settings.LoggersDispatcher), loggerName);
        var timeout = system.Settings.LoggerStartTimeout;
        var answer = logger.Ask(new InitializeLogger(system.EventStream), timeout);
        system.EventStream.AddLogger(logger, level);
        answer.ContinueWith(
            task => Judge(task, logger, $"Logger {name} [{loggerName}] did not respond with LoggerInitialized within {timeout}"),
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        if (system.Hooks is null && !system.Settings.LoggerAsyncStart)
        {
            ((IAsyncResult)answer).AsyncWaitHandle.WaitOne(timeout);
        }
    }

    private void Judge(Task<object> answer, IActorRef logger, string complaint)
    {
        if (answer.IsCompletedSuccessfully && answer.Result is LoggerInitialized)
        {
            return;
        }

        var isLate = answer.Exception?.InnerException is AskTimeoutException && !((IInternalActorRef)logger).IsTerminated;
        if (!isLate)
        {
            system.EventStream.RemoveLogger(logger);
        }

        system.EventStream.Publish(
            new Warning(answer.Exception?.InnerException, "LoggingBus", typeof(LoggingBus), complaint));
    }
}
