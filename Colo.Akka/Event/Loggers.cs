using Akka.Actor;
using Akka.Dispatch;

namespace Akka.Event;

/// <summary>The queue that loggers ask for.</summary>
public interface ILoggerMessageQueueSemantics : ISemantics;

/// <summary>The first message to a logger, which answers <see cref="LoggerInitialized"/>.</summary>
public class InitializeLogger : INoSerializationVerificationNeeded
{
    public InitializeLogger(LoggingBus loggingBus) => LoggingBus = loggingBus;

    public LoggingBus LoggingBus { get; }
}

public class LoggerInitialized : INoSerializationVerificationNeeded, IDeadLetterSuppression;

/// <summary>A logger that is no actor, for the time when there are none.</summary>
public abstract class MinimalLogger : MinimalActorRef
{
    public override IActorRefProvider Provider => throw new NotSupportedException("A logger has no provider");

    public sealed override ActorPath Path { get; } =
        new RootActorPath(new Address("akka", "all-systems"), "/StandardOutLogger");

    protected sealed override void TellInternal(object message, IActorRef sender) =>
        Log(message ?? throw new ArgumentNullException(nameof(message), "The message to log must not be null."));

    protected abstract void Log(object message);
}

/// <summary>Writes to the console.</summary>
public class StandardOutLogger : MinimalLogger
{
    protected override void Log(object message)
    {
        if (message is LogEvent logEvent)
        {
            PrintLogEvent(logEvent);
        }
        else
        {
            Console.WriteLine(message);
        }
    }

    internal static void PrintLogEvent(LogEvent logEvent)
    {
        try
        {
            Console.WriteLine(logEvent.ToString());
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // Nobody reads the console any more. A log line is not worth the actor that wrote it.
        }
    }
}

/// <summary>The logger of the default configuration: the console.</summary>
public class DefaultLogger : ActorBase, IRequiresMessageQueue<ILoggerMessageQueueSemantics>
{
    protected override bool Receive(object message)
    {
        switch (message)
        {
            case InitializeLogger:
                Sender.Tell(new LoggerInitialized());
                return true;
            case LogEvent logEvent:
                Print(logEvent);
                return true;
            default:
                return false;
        }
    }

    protected virtual void Print(LogEvent logEvent) => StandardOutLogger.PrintLogEvent(logEvent);
}
