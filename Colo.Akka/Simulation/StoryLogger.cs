using Akka.Actor;
using Akka.Actor.Internal;
using Akka.Event;

namespace Akka.Simulation;

/// <summary>The logger of simulated systems: the log becomes part of the story.</summary>
public sealed class StoryLogger : UntypedActor
{
    protected override void OnReceive(object message)
    {
        if (message is InitializeLogger)
        {
            Sender.Tell(new LoggerInitialized());
        }
        else if (message is LogEvent log && RuntimeHooks.Of(Context.System) is NodeRuntime node)
        {
            node.Log(log);
        }
    }
}
