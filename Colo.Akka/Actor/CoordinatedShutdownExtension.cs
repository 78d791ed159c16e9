using Akka.Actor.Internal;
using Akka.Event;

namespace Akka.Actor;

/// <summary>Makes the shutdown of a system and connects it with the end of system and process.</summary>
public sealed class CoordinatedShutdownExtension : ExtensionIdProvider<CoordinatedShutdown>
{
    public override CoordinatedShutdown CreateExtension(ExtendedActorSystem system)
    {
        var shutdown = new CoordinatedShutdown(system);
        var config = system.Settings.Config;
        var exitClr = config.GetBoolean("akka.coordinated-shutdown.exit-clr", false);
        if (config.GetBoolean("akka.coordinated-shutdown.terminate-actor-system", false))
        {
            shutdown.AddTask(CoordinatedShutdown.PhaseActorSystemTerminate, "terminate-system", async () =>
            {
                ((ActorSystemImpl)system).FinalTerminate();
                await system.WhenTerminated.ConfigureAwait(false);
                if (exitClr)
                {
                    Environment.Exit(0);
                }

                return Done.Instance;
            });
        }

        if (config.GetBoolean("akka.coordinated-shutdown.run-by-clr-shutdown-hook", false)
            && RuntimeHooks.Of(system) is null)
        {
            RunAtProcessExit(shutdown);
        }

        return shutdown;
    }

    private static void RunAtProcessExit(CoordinatedShutdown shutdown)
    {
        EventHandler hook = (_, _) =>
        {
            if (shutdown.System.WhenTerminated.IsCompleted)
            {
                return;
            }

            try
            {
                shutdown.Run(CoordinatedShutdown.ClrExitReason.Instance).Wait(shutdown.TotalTimeout);
            }
            catch (AggregateException e)
            {
                // Thrown out of here it would turn the end of the process into an abort.
                shutdown.System.Log.Error(e, "the coordinated shutdown at the end of the process failed");
            }
        };
        AppDomain.CurrentDomain.ProcessExit += hook;

        // A system that has ended must not be kept in memory by the process's event.
        shutdown.System.WhenTerminated.ContinueWith(
            _ => AppDomain.CurrentDomain.ProcessExit -= hook, TaskScheduler.Default);
    }
}
