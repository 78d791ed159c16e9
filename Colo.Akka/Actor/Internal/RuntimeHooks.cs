using Akka.Dispatch;
using Akka.Event;
using ActorSetup = Akka.Actor.Setup.Setup;

namespace Akka.Actor.Internal;

/// <summary>
/// The one place where an actor system touches the world: threads, clocks and chance. A simulation gives its own, and
/// then any number of systems run on one thread in virtual time. Carried into a system by
/// <see cref="RuntimeHooksSetup"/>.
/// </summary>
internal abstract class RuntimeHooks
{
    [ThreadStatic]
    private static RuntimeHooks t_ambient;

    /// <summary>Whose code this thread runs now, for what knows no system; null on the real machine.</summary>
    public static RuntimeHooks Ambient
    {
        get => t_ambient;
        set => t_ambient = value;
    }

    /// <summary>True when everything runs on one thread, so that nothing may block to wait for an actor.</summary>
    public virtual bool SingleThreaded => true;

    /// <summary>
    /// Takes the place of the executors of all dispatchers. The work is to run later, never inside the call.
    /// </summary>
    public abstract void Execute(IRunnable work);

    public abstract IScheduler CreateScheduler(ActorSystem system, ILoggingAdapter log);

    /// <summary>Time since some fixed moment; never goes back.</summary>
    public abstract TimeSpan MonotonicNow { get; }

    public abstract DateTimeOffset UtcNow { get; }

    /// <summary>
    /// A number that is not 0 and not used before in this system: incarnations of actors, and of systems.
    /// </summary>
    public abstract long NextUid();

    /// <summary>A random number in [0, 1).</summary>
    public abstract double NextDouble();

    /// <summary>A random number in [0, 1) from whoever runs now.</summary>
    public static double Chance() => t_ambient?.NextDouble() ?? Random.Shared.NextDouble();

    /// <summary>Somebody sends a user message to an actor of this system.</summary>
    public virtual void Sending(object message)
    {
    }

    /// <summary>An actor is about to handle a user message.</summary>
    public virtual void Delivering(ActorCell cell, object message)
    {
    }

    /// <summary>Null for a system that runs on the real machine.</summary>
    public static RuntimeHooks Of(ActorSystem system) => (system as ActorSystemImpl)?.Hooks;
}

/// <summary>Carries the hooks into <c>ActorSystem.Create</c>.</summary>
internal sealed class RuntimeHooksSetup(RuntimeHooks hooks) : ActorSetup
{
    public RuntimeHooks Hooks { get; } = hooks;
}
