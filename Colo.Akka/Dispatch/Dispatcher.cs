using Akka.Actor.Internal;
using Akka.Configuration;

namespace Akka.Dispatch;

/// <summary>Runs actors on an executor.</summary>
internal sealed class Dispatcher : MessageDispatcher
{
    private readonly ExecutorService _executor;
    private readonly bool _ownsThreads;

    public Dispatcher(MessageDispatcherConfigurator configurator, ExecutorService executor, bool ownsThreads)
        : base(configurator)
    {
        var config = configurator.Config;
        _executor = executor;
        _ownsThreads = ownsThreads;
        Id = config.GetString("id", executor.Id);

        // In a simulation who is next is a choice after every message.
        Throughput = executor is HookedExecutor ? 1 : config.GetInt("throughput", DefaultThroughput);
        var deadline = config.GetTimeSpan("throughput-deadline-time", TimeSpan.Zero);
        ThroughputDeadlineTime = deadline > TimeSpan.Zero ? (long)deadline.TotalMilliseconds : null;
        ShutdownTimeout = config.GetTimeSpan("shutdown-timeout", TimeSpan.FromSeconds(1));
    }

    protected override void ExecuteTask(IRunnable run) => _executor.Execute(run);

    protected override void Shutdown() => _executor.Shutdown();

    // A pinned thread belongs to one actor and ends with it.
    private protected override void Abandoned()
    {
        if (_ownsThreads)
        {
            _executor.Shutdown();
        }
    }
}

/// <summary>
/// <c>type = Dispatcher</c>, <c>TaskDispatcher</c>, <c>ForkJoinDispatcher</c> or <c>SynchronizedDispatcher</c>:
/// one for all its actors.
/// </summary>
internal sealed class SharedDispatcherConfigurator : MessageDispatcherConfigurator
{
    private readonly Lazy<MessageDispatcher> _instance;

    public SharedDispatcherConfigurator(
        Config config, IDispatcherPrerequisites prerequisites, Func<string, ExecutorService> executor)
        : base(config, prerequisites) =>
        _instance = new Lazy<MessageDispatcher>(
            () => new Dispatcher(this, executor(config.GetString("id", "dispatcher")), ownsThreads: false));

    public override MessageDispatcher Dispatcher() => _instance.Value;
}

/// <summary><c>type = PinnedDispatcher</c>: a thread for each actor.</summary>
internal sealed class PinnedDispatcherConfigurator : MessageDispatcherConfigurator
{
    private readonly RuntimeHooks _hooks;

    public PinnedDispatcherConfigurator(Config config, IDispatcherPrerequisites prerequisites)
        : base(config, prerequisites) => _hooks = RuntimeHooks.Of(prerequisites.Settings.System);

    public override MessageDispatcher Dispatcher()
    {
        var id = Config.GetString("id", "pinned");
        ExecutorService executor = _hooks is null ? new DedicatedThreadExecutor(id, 1) : new HookedExecutor(id, _hooks);
        return new Dispatcher(this, executor, ownsThreads: true);
    }
}
