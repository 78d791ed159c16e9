using Akka.Event;

namespace Akka.Actor.Internal;

/// <summary>Makes the instance that a cell runs, gives it what its interfaces ask for, and lets go of it.</summary>
internal static class ActorInstances
{
    public static ActorBase Create(ActorCell cell) =>
        cell.Props.NewActor() ?? throw new ActorInitializationException(cell.Self, "Props.NewActor() returned null");

    public static void Prepare(ActorBase instance, ActorCell cell)
    {
        (instance as IInitializableActor)?.Init();
        if (instance is IActorStash stashing)
        {
            stashing.Stash ??= new ActorStash(cell);
        }

        if (instance is IWithTimers { Timers: null } timed)
        {
            timed.Timers = new TimerScheduler(cell);
        }
    }

    public static void Release(ActorBase instance, ActorCell cell)
    {
        if (instance is null)
        {
            return;
        }

        try
        {
            (instance as IDisposable)?.Dispose();
            cell.Props.Release(instance);
        }
        catch (Exception e)
        {
            cell.Publish(new Error(
                e, cell.Self.ToString(), instance.GetType(), $"An error occurred while disposing {instance.GetType()}: {e.Message}"));
        }

        instance.Clear(cell.SystemImpl.DeadLetters);
    }
}
