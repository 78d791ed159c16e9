using Akka.Actor;
using Akka.Configuration;
using Akka.Util;

namespace Akka.Remote;

/// <summary>Makes the failure detector that a section of the configuration names.</summary>
internal static class FailureDetectorLoader
{
    /// <summary>The detectors of the engine read the clock of the system's scheduler, which the simulation
    /// owns.</summary>
    /// <exception cref="ConfigurationException">The section names no failure detector.</exception>
    internal static FailureDetector Load(Config section, ActorSystem system)
    {
        var scheduler = system.Scheduler;
        Clock clock = () => (long)scheduler.MonotonicClock.TotalMilliseconds;
        var name = section.GetString("implementation-class");
        var type = TypeNames.Require(name, "a failure detector with a constructor (Config, EventStream)");
        if (type == typeof(PhiAccrualFailureDetector))
        {
            return new PhiAccrualFailureDetector(section, system.EventStream, clock);
        }

        return type == typeof(DeadlineFailureDetector)
            ? new DeadlineFailureDetector(section, system.EventStream, clock)
            : TypeNames.Create<FailureDetector>(name, "a failure detector with a constructor (Config, EventStream)", section, system.EventStream);
    }
}
