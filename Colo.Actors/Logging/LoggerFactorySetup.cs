using Akka.Actor.Setup;
using Akka.Configuration;
using Microsoft.Extensions.Logging;

namespace Colo.Actors.Logging;

/// <summary>
/// Sends the log of an actor system to Microsoft.Extensions.Logging: give this setup and <see cref="Config"/> to
/// <c>ActorSystem.Create</c>.
/// </summary>
public sealed class LoggerFactorySetup(ILoggerFactory loggerFactory) : Setup
{
    /// <summary>Names the logger. The level of the system still decides what is made into an event at all.</summary>
    public static Config Config { get; } = ConfigurationFactory.ParseString(
        "akka.loggers = [\"Colo.Actors.Logging.MicrosoftLogger, Colo.Actors\"]");

    public ILoggerFactory LoggerFactory { get; } = loggerFactory;
}
