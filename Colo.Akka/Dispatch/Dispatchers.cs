using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Actor.Internal;
using Akka.Configuration;
using Akka.Event;
using Akka.Util;

namespace Akka.Dispatch;

/// <summary>The dispatchers of a system, made from the configuration when they are first asked for.</summary>
public sealed class Dispatchers
{
    public const string DefaultDispatcherId = "akka.actor.default-dispatcher";
    public const string DefaultBlockingDispatcherId = "akka.actor.default-blocking-io-dispatcher";
    public const string SynchronizedDispatcherId = "akka.actor.synchronized-dispatcher";
    internal const string InternalDispatcherId = "akka.actor.internal-dispatcher";

    private readonly ActorSystem _system;
    private readonly ILoggingAdapter _log;
    private readonly ConcurrentDictionary<string, MessageDispatcherConfigurator> _configurators = new();
    private readonly ConcurrentBag<MessageDispatcher> _made = [];
    private readonly MessageDispatcher _default;

    public Dispatchers(ActorSystem system, IDispatcherPrerequisites prerequisites, ILoggingAdapter logger)
    {
        _system = system;
        _log = logger;
        Prerequisites = prerequisites;
        DefaultDispatcherConfig = ConfigOf(DefaultDispatcherId);
        _default = LookupConfigurator(DefaultDispatcherId).Dispatcher();
    }

    public Config DefaultDispatcherConfig { get; }

    public MessageDispatcher DefaultGlobalDispatcher => _default;

    public IDispatcherPrerequisites Prerequisites { get; }

    public bool HasDispatcher(string id) =>
        _configurators.ContainsKey(id) || _system.Settings.Config.HasPath(id);

    /// <exception cref="ConfigurationException">There is no such section.</exception>
    public MessageDispatcher Lookup(string dispatcherName)
    {
        if (dispatcherName is null or DefaultDispatcherId)
        {
            return _default;
        }

        var configurator = LookupConfigurator(dispatcherName);
        var dispatcher = configurator.Dispatcher();
        if (configurator is PinnedDispatcherConfigurator)
        {
            _made.Add(dispatcher);
        }

        return dispatcher;
    }

    /// <summary>False when the id is taken.</summary>
    public bool RegisterConfigurator(string id, MessageDispatcherConfigurator configurator) =>
        _configurators.TryAdd(id, configurator);

    internal void Shutdown()
    {
        foreach (var configurator in _configurators.Values.OfType<SharedDispatcherConfigurator>())
        {
            configurator.Dispatcher().ShutdownNow();
        }

        foreach (var dispatcher in _made)
        {
            dispatcher.ShutdownNow();
        }
    }

    private MessageDispatcherConfigurator LookupConfigurator(string id) =>
        _configurators.GetOrAdd(
            id,
            static (key, self) => self._system.Settings.Config.HasPath(key)
                ? self.Configure(self.ConfigOf(key))
                : throw new ConfigurationException($"Dispatcher [{key}] not configured."),
            this);

    private Config ConfigOf(string id)
    {
        var simpleName = id[(id.LastIndexOf('.') + 1)..];
        var own = ConfigurationFactory.ParseString($"id = \"{id}\"\nname = \"{simpleName}\"");
        var section = _system.Settings.Config.GetConfig(id);

        // "some-dispatcher = akka.actor.internal-dispatcher" is an alias.
        if (section is null or { IsEmpty: true } || _system.Settings.Config.GetValue(id) is { } value && value.IsString())
        {
            var target = _system.Settings.Config.GetString(id, null);
            section = string.IsNullOrEmpty(target) || target == id ? null : _system.Settings.Config.GetConfig(target);
        }

        var defaults = _system.Settings.Config.GetConfig(DefaultDispatcherId);
        own = section is null ? own : own.WithFallback(section);
        return id == DefaultDispatcherId || defaults is null ? own : own.WithFallback(defaults);
    }

    private MessageDispatcherConfigurator Configure(Config config)
    {
        var type = config.GetString("type", null)
            ?? throw new ConfigurationException(
                $"Missing dispatcher type in settings for dispatcher '{config.GetString("id", "unknown")}'");
        return type switch
        {
            "Dispatcher" or "TaskDispatcher" => Shared(config, id => FromExecutorName(config, id)),
            "ForkJoinDispatcher" => Shared(config, id => Dedicated(config, id)),
            "SynchronizedDispatcher" => Shared(config, static id => new SynchronizationContextExecutor(id)),
            "PinnedDispatcher" => new PinnedDispatcherConfigurator(config, Prerequisites),
            _ => TypeNames.Create<MessageDispatcherConfigurator>(
                type, "a MessageDispatcherConfigurator with (Config, IDispatcherPrerequisites)", config, Prerequisites),
        };
    }

    private SharedDispatcherConfigurator Shared(Config config, Func<string, ExecutorService> executor) =>
        new(config, Prerequisites, id => RuntimeHooks.Of(_system) is { } hooks ? new HookedExecutor(id, hooks) : executor(id));

    private ExecutorService FromExecutorName(Config config, string id)
    {
        var executor = config.GetString("executor", "default-executor");
        switch (executor)
        {
            case "fork-join-executor" when config.HasPath("dedicated-thread-pool.thread-count"):
                return Dedicated(config, id);
            case "current-context-executor":
                return new SynchronizationContextExecutor(id);
            case "default-executor" or "thread-pool-executor" or "fork-join-executor" or "task-executor"
                or "channel-executor" or "":
                return new ThreadPoolExecutor(id);
            default:
                _log.Warning("Executor '{0}' of dispatcher '{1}' is not known, the thread pool is used", executor, id);
                return new ThreadPoolExecutor(id);
        }
    }

    private static DedicatedThreadExecutor Dedicated(Config config, string id)
    {
        var threads = config.GetInt("dedicated-thread-pool.thread-count", Environment.ProcessorCount);
        var background = config.GetString("dedicated-thread-pool.threadtype", "background") == "background";
        return new DedicatedThreadExecutor(id, threads, background);
    }
}
