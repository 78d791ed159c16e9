using Akka.Actor;

namespace Akka.TestKit;

/// <summary>
/// Reacts to each message of a test actor, before the test sees it. Returns the pilot for the next one.
/// </summary>
public abstract class AutoPilot
{
    /// <summary>From now on no reaction.</summary>
    public static readonly NoAutoPilotType NoAutoPilot = NoAutoPilotType.Instance;

    /// <summary>The same pilot again.</summary>
    public static readonly KeepRunningType KeepRunning = KeepRunningType.Instance;

    public abstract AutoPilot Run(IActorRef sender, object message);
}

public sealed class NoAutoPilotType : AutoPilot
{
    internal static readonly NoAutoPilotType Instance = new();

    private NoAutoPilotType()
    {
    }

    public override AutoPilot Run(IActorRef sender, object message) => this;
}

public sealed class KeepRunningType : AutoPilot
{
    internal static readonly KeepRunningType Instance = new();

    private KeepRunningType()
    {
    }

    public override AutoPilot Run(IActorRef sender, object message) =>
        throw new InvalidOperationException("KeepRunning is a return value, it does not run");
}

public sealed class DelegateAutoPilot : AutoPilot
{
    private readonly Func<IActorRef, object, AutoPilot> _run;

    public DelegateAutoPilot(Func<IActorRef, object, AutoPilot> func) => _run = func;

    public override AutoPilot Run(IActorRef sender, object message) => _run(sender, message);
}
