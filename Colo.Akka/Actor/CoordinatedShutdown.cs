using System.Collections.Concurrent;
using Akka.Actor.Internal;
using Akka.Configuration;
using Akka.Event;

namespace Akka.Actor;

/// <summary>
/// The orderly end of a system: phases that follow one another by their dependencies, tasks of one phase side by side.
/// A phase that takes longer than its limit, or fails, is logged; the next one begins all the same where the phase has
/// <c>recover</c> on, else the shutdown stops there.
/// </summary>
public sealed class CoordinatedShutdown : IExtension
{
    public const string PhaseBeforeServiceUnbind = "before-service-unbind";
    public const string PhaseServiceUnbind = "service-unbind";
    public const string PhaseServiceRequestsDone = "service-requests-done";
    public const string PhaseServiceStop = "service-stop";
    public const string PhaseBeforeClusterShutdown = "before-cluster-shutdown";
    public const string PhaseClusterShardingShutdownRegion = "cluster-sharding-shutdown-region";
    public const string PhaseClusterLeave = "cluster-leave";
    public const string PhaseClusterExiting = "cluster-exiting";
    public const string PhaseClusterExitingDone = "cluster-exiting-done";
    public const string PhaseClusterShutdown = "cluster-shutdown";
    public const string PhaseBeforeActorSystemTerminate = "before-actor-system-terminate";
    public const string PhaseActorSystemTerminate = "actor-system-terminate";

    private readonly Dictionary<string, ShutdownPhase> _phases;
    private readonly List<string> _order;
    private readonly ConcurrentDictionary<string, List<(string Name, Func<Task<Done>> Task)>> _tasks = new();
    private readonly TaskCompletionSource<Done> _done;
    private readonly ILoggingAdapter _log;
    private Reason _reason;

    internal CoordinatedShutdown(ExtendedActorSystem system)
    {
        System = system;
        _phases = ShutdownPhase.Read(system.Settings.Config.GetConfig("akka.coordinated-shutdown"));
        _order = ShutdownPhase.Order(_phases);
        _done = new TaskCompletionSource<Done>(((ActorSystemImpl)system).CompletionOptions);
        _log = Logging.GetLogger(system, this);
    }

    public ExtendedActorSystem System { get; }

    /// <summary>Null until the shutdown has begun.</summary>
    public Reason ShutdownReason => Volatile.Read(ref _reason);

    public TimeSpan TotalTimeout => _order.Aggregate(TimeSpan.Zero, (sum, phase) => sum + Timeout(phase));

    internal IReadOnlyList<string> OrderedPhases => _order;

    public static CoordinatedShutdown Get(ActorSystem sys) =>
        sys.WithExtension<CoordinatedShutdown, CoordinatedShutdownExtension>();

    /// <exception cref="ArgumentException">There is no such phase.</exception>
    public void AddTask(string phase, string taskName, Func<Task<Done>> task)
    {
        if (!_phases.ContainsKey(phase))
        {
            throw new ConfigurationException(
                $"Unknown phase [{phase}], known phases [{string.Join(",", _phases.Keys)}]. "
                + "All phases (along with their optional dependencies) must be defined in configuration.");
        }

        var tasks = _tasks.GetOrAdd(phase, static _ => []);
        lock (tasks)
        {
            tasks.Add((taskName, task));
        }
    }

    public TimeSpan Timeout(string phase) => _phases.TryGetValue(phase, out var found)
        ? found.Timeout
        : throw new ArgumentException($"Unknown phase [{phase}]. All phases must be defined in configuration.", nameof(phase));

    /// <summary>Begins the shutdown; calls after the first one return the same task.</summary>
    public Task<Done> Run(Reason reason, string fromPhase = null)
    {
        if (Interlocked.CompareExchange(ref _reason, reason, null) is not null)
        {
            return _done.Task;
        }

        _log.Debug("Performing task {0} in CoordinatedShutdown phases, reason {1}", fromPhase ?? "all", reason);
        var remaining = fromPhase is null ? _order : _order.SkipWhile(p => p != fromPhase).ToList();
        _ = RunPhases(remaining);
        return _done.Task;
    }

    private async Task RunPhases(IEnumerable<string> phases)
    {
        try
        {
            foreach (var phase in phases)
            {
                await RunPhase(phase).ConfigureAwait(false);
            }

            _done.TrySetResult(Done.Instance);
        }
        catch (Exception e)
        {
            _log.Error(e, "CoordinatedShutdown stopped: {0}", e.Message);
            _done.TrySetException(e);
        }
    }

    private async Task RunPhase(string phase)
    {
        if (!_tasks.TryGetValue(phase, out var registered))
        {
            return;
        }

        (string Name, Func<Task<Done>> Task)[] tasks;
        lock (registered)
        {
            tasks = [.. registered];
        }

        var settings = _phases[phase];
        _log.Debug("Performing phase [{0}] with [{1}] tasks", phase, tasks.Length);
        var whole = Task.WhenAll(tasks.Select(t => RunTask(phase, t.Name, t.Task, settings.Recover)));
        var late = await LateAsync(whole, settings.Timeout).ConfigureAwait(false);
        if (!late)
        {
            await whole.ConfigureAwait(false);
        }
        else if (settings.Recover)
        {
            _log.Warning("Coordinated shutdown phase [{0}] timed out after {1}", phase, settings.Timeout);
        }
        else
        {
            throw new TimeoutException($"Coordinated shutdown phase [{phase}] timed out after {settings.Timeout}");
        }
    }

    private async Task RunTask(string phase, string name, Func<Task<Done>> task, bool recover)
    {
        try
        {
            await task().ConfigureAwait(false);
        }
        catch (Exception e) when (recover)
        {
            _log.Warning("Task [{0}] failed in phase [{1}]: {2}", name, phase, e.Message);
        }
    }

    /// <summary>Waits on the clock of the system, so that a simulation passes the limits in virtual time.</summary>
    private async Task<bool> LateAsync(Task whole, TimeSpan limit)
    {
        if (whole.IsCompleted)
        {
            return false;
        }

        var timeout = new TaskCompletionSource(((ActorSystemImpl)System).CompletionOptions);
        ICancelable timer;
        try
        {
            timer = ((ActorSystemImpl)System).AskTimers.Start(
                limit, new Dispatch.ActionRunnable(() => timeout.TrySetResult()));
        }
        catch (SchedulerException)
        {
            // The system has ended meanwhile and its clock with it: only the end of the tasks is left to wait for.
            return false;
        }

        await Task.WhenAny(whole, timeout.Task).ConfigureAwait(false);
        timer.Cancel();
        return !whole.IsCompleted;
    }

    /// <summary>Why the system ends. May be derived from.</summary>
    public class Reason
    {
        protected Reason()
        {
        }

        public override string ToString() => GetType().Name;
    }

    public class UnknownReason : Reason
    {
        public static readonly Reason Instance = new UnknownReason();

        private UnknownReason()
        {
        }
    }

    public class ActorSystemTerminateReason : Reason
    {
        public static readonly Reason Instance = new ActorSystemTerminateReason();

        private ActorSystemTerminateReason()
        {
        }
    }

    public class ClrExitReason : Reason
    {
        public static readonly Reason Instance = new ClrExitReason();

        private ClrExitReason()
        {
        }
    }

    public class ClusterDowningReason : Reason
    {
        public static readonly Reason Instance = new ClusterDowningReason();

        private ClusterDowningReason()
        {
        }
    }

    public class ClusterLeavingReason : Reason
    {
        public static readonly Reason Instance = new ClusterLeavingReason();

        private ClusterLeavingReason()
        {
        }
    }

    public class ClusterJoinUnsuccessfulReason : Reason
    {
        public static readonly Reason Instance = new ClusterJoinUnsuccessfulReason();

        private ClusterJoinUnsuccessfulReason()
        {
        }
    }
}
