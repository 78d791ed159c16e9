using System.Text;
using System.Text.RegularExpressions;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Event;
using Akka.Util;
using ActorSerialization = Akka.Serialization.Serialization;

namespace Akka.Actor.Internal;

/// <summary>The one implementation of an actor system.</summary>
public class ActorSystemImpl : ExtendedActorSystem
{
    private static readonly Regex ValidName = new("^[a-zA-Z0-9][a-zA-Z0-9-]*$", RegexOptions.NonBacktracking);

    private readonly TaskCompletionSource _whenTerminated;
    private readonly Stack<Action> _terminationCallbacks = new();
    private readonly ExtensionRegistry _extensions;
    private readonly LoggerSet _loggers;
    private bool _terminationCallbacksRun;
    private int _terminating;
    private long _lastUid;

    public ActorSystemImpl(string name)
        : this(name, ConfigurationFactory.Default(), ActorSystemSetup.Empty)
    {
    }

    public ActorSystemImpl(string name, Config config, ActorSystemSetup setup, Option<Props>? guardianProps = null)
    {
        if (name is null || !ValidName.IsMatch(name))
        {
            throw new ArgumentException(
                $"Invalid ActorSystem name [{name}], must contain only word characters (i.e. [a-zA-Z0-9] plus non-leading '-')",
                nameof(name));
        }

        ArgumentNullException.ThrowIfNull(config);
        Name = name;
        GuardianProps = guardianProps ?? Option<Props>.None;
        Hooks = setup.Get<RuntimeHooksSetup>() is { HasValue: true } hooks ? hooks.Value.Hooks : null;
        _whenTerminated = new TaskCompletionSource(CompletionOptions);
        _lastUid = Random.Shared.NextInt64(1, int.MaxValue);
        StartTime = Now;
        _extensions = new ExtensionRegistry(this);
        Settings = new Settings(this, config, setup);
        SerializesMessages = Settings.SerializeAllMessages;
        LooksAtMessages = SerializesMessages || Hooks is not null;
        EventStream = new EventStream(Settings.DebugEventStream);
        EventStream.StartStdoutLogger(Settings);
        Log = new BusLogging(EventStream, "ActorSystem(" + name + ")", typeof(ActorSystem), Settings.LogFormatter);
        Scheduler = CreateScheduler();
        AskTimers = new AskTimers(this);
        Provider = TypeNames.Create<IActorRefProvider>(
            Settings.ProviderClass, "an actor reference provider with (string, Settings, EventStream)", name, Settings,
            EventStream);
        Serialization = new ActorSerialization(this);
        Mailboxes = new Mailboxes(this);
        Dispatchers = new Dispatchers(
            this, new DefaultDispatcherPrerequisites(EventStream, Scheduler, Settings, Mailboxes), Log);
        _loggers = new LoggerSet(this);
    }

    public override Settings Settings { get; }

    public override string Name { get; }

    public override IActorRefProvider Provider { get; }

    public override ActorSerialization Serialization { get; }

    public override EventStream EventStream { get; }

    public override IActorRef DeadLetters => Provider.DeadLetters;

    public override IActorRef IgnoreRef => Provider.IgnoreRef;

    public override Dispatchers Dispatchers { get; }

    public override Mailboxes Mailboxes { get; }

    public override IScheduler Scheduler { get; }

    public override ILoggingAdapter Log { get; }

    public override Task WhenTerminated => _whenTerminated.Task;

    public override IInternalActorRef Guardian => Provider.Guardian;

    public override IInternalActorRef LookupRoot => Provider.RootGuardian;

    public override IInternalActorRef SystemGuardian => Provider.SystemGuardian;

    public Option<Props> GuardianProps { get; }

    internal RuntimeHooks Hooks { get; }

    internal AskTimers AskTimers { get; }

    internal bool SerializesMessages { get; }

    /// <summary>Whether anything at all is to be done with a message on its way; one look for the common
    /// case.</summary>
    internal bool LooksAtMessages { get; }

    /// <summary>Where what follows a completed task runs: elsewhere, or on the one thread of a simulation.</summary>
    internal TaskCreationOptions CompletionOptions =>
        Hooks is { SingleThreaded: true } ? TaskCreationOptions.None : TaskCreationOptions.RunContinuationsAsynchronously;

    /// <summary>
    /// Completes a task that others wait for. In a simulation that is a step of its own, outside of the actor that
    /// completes it: what follows must neither run in that actor's name nor on another thread.
    /// </summary>
    internal void Complete(Action completion)
    {
        if (Hooks is { SingleThreaded: true } hooks)
        {
            hooks.Execute(new ActionRunnable(completion));
        }
        else
        {
            completion();
        }
    }

    internal bool IsTerminating => Volatile.Read(ref _terminating) != 0;

    /// <summary>The monotonic clock of this system: the machine's, or the simulation's.</summary>
    internal Func<TimeSpan> Clock => () => Now;

    private protected override TimeSpan Now => Hooks?.MonotonicNow ?? MonotonicClock.Elapsed;

    /// <summary>Second half of the construction, when everything can see the system.</summary>
    public void Start()
    {
        try
        {
            Provider.Init(this);
            if (Settings.LogDeadLetters > 0)
            {
                SystemActorOf<DeadLetterListener>("deadLetterListener");
            }

            _loggers.Start();
            if (Settings.LogConfigOnStart)
            {
                Log.Info(Settings.ToString());
            }

            LoadExtensions();
        }
        catch (Exception)
        {
            try
            {
                Abort();
            }
            catch (Exception)
            {
                // The first failure is the one to tell.
            }

            throw;
        }
    }

    public override IActorRef ActorOf(Props props, string name = null) =>
        Provider.Guardian.Cell.AttachChild(props, isSystemService: false, name);

    public override IActorRef SystemActorOf(Props props, string name = null) =>
        Provider.SystemGuardian.Cell.AttachChild(props, isSystemService: true, name);

    public override IActorRef SystemActorOf<TActor>(string name = null) => SystemActorOf(Props.Create<TActor>(), name);

    public override ActorSelection ActorSelection(ActorPath actorPath) =>
        ActorRefFactoryShared.ActorSelection(actorPath, this);

    public override ActorSelection ActorSelection(string actorPath) =>
        ActorRefFactoryShared.ActorSelection(actorPath, this, Provider.RootGuardian);

    public override void Stop(IActorRef actor) => ((IInternalActorRef)actor).Stop();

    public override object RegisterExtension(IExtensionId extension) => _extensions.Register(extension);

    public override object GetExtension(IExtensionId extensionId) => _extensions.Get(extensionId.ExtensionType);

    public override T GetExtension<T>() => (T)_extensions.Get(typeof(T));

    public override bool HasExtension(Type type) => _extensions.Has(type);

    public override bool HasExtension<T>() => _extensions.Has(typeof(T));

    public override bool TryGetExtension(Type extensionType, out object extension)
    {
        extension = _extensions.Get(extensionType);
        return extension is not null;
    }

    public override bool TryGetExtension<T>(out T extension)
    {
        extension = GetExtension<T>();
        return extension is not null;
    }

    public override void RegisterOnTermination(Action code)
    {
        lock (_terminationCallbacks)
        {
            if (_terminationCallbacksRun)
            {
                throw new InvalidOperationException("ActorSystem already terminated.");
            }

            _terminationCallbacks.Push(code);
        }
    }

    public override Task Terminate()
    {
        if (Settings.CoordinatedShutdownRunByActorSystemTerminate)
        {
            CoordinatedShutdown.Get(this).Run(CoordinatedShutdown.ActorSystemTerminateReason.Instance);
        }
        else
        {
            FinalTerminate();
        }

        return WhenTerminated;
    }

    public override void Abort()
    {
        FinalTerminate();
        ((IInternalActorRef)Provider.RootGuardian)?.Stop();
        if (Provider.RootGuardian is null)
        {
            End();
        }
    }

    public override string PrintTree()
    {
        var text = new StringBuilder();
        Print(Provider.RootGuardian, "", text);
        return text.ToString();
    }

    public override string ToString() => LookupRoot.Path.Root.Address.ToString();

    /// <summary>Stops the actors: first <c>/user</c>, then <c>/system</c>, then the rest.</summary>
    internal void FinalTerminate()
    {
        if (Interlocked.Exchange(ref _terminating, 1) != 0)
        {
            return;
        }

        if (Provider.Guardian is null)
        {
            return;
        }

        Log.Debug("System shutdown initiated");
        if (!Settings.LogDeadLettersDuringShutdown)
        {
            EventStream.MuteDeadLetterLog();
        }

        Provider.TerminationTask.ContinueWith(
            static (_, state) => ((ActorSystemImpl)state).End(), this, CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        Provider.Guardian.Stop();
    }

    /// <summary>A number for the next incarnation: never 0, never the same twice in a system.</summary>
    internal long NextUid() => Hooks?.NextUid() ?? Interlocked.Increment(ref _lastUid);

    internal double NextDouble() => Hooks?.NextDouble() ?? Random.Shared.NextDouble();

    internal void StopLoggers() => _loggers.Stop();

    private void End()
    {
        Action[] callbacks;
        lock (_terminationCallbacks)
        {
            if (_terminationCallbacksRun)
            {
                return;
            }

            _terminationCallbacksRun = true;
            callbacks = _terminationCallbacks.ToArray();
        }

        foreach (var callback in callbacks)
        {
            try
            {
                callback();
            }
            catch (Exception e)
            {
                Log.Error(e, "A termination callback failed: {0}", e.Message);
            }
        }

        (Scheduler as IDisposable)?.Dispose();
        Dispatchers.Shutdown();
        Complete(() => _whenTerminated.TrySetResult());
    }

    private IScheduler CreateScheduler()
    {
        var log = Logging.GetLogger(EventStream, "Scheduler");
        return Hooks?.CreateScheduler(this, log)
            ?? TypeNames.Create<IScheduler>(
                Settings.SchedulerClass, "a scheduler with (Config, ILoggingAdapter)", Settings.Config, log);
    }

    private void LoadExtensions()
    {
        foreach (var name in Settings.Config.GetStringList("akka.extensions"))
        {
            var type = TypeNames.Resolve(name);
            if (type is null || !typeof(IExtensionId).IsAssignableFrom(type) || type.IsAbstract)
            {
                Log.Error("Cannot use extension '{0}' from akka.extensions: expected the name of an IExtensionId", name);
                continue;
            }

            try
            {
                RegisterExtension((IExtensionId)Activator.CreateInstance(type, nonPublic: true));
            }
            catch (Exception e)
            {
                Log.Error(e, "While trying to load extension '{0}', skipping.", name);
            }
        }
    }

    private static void Print(IActorRef node, string indent, StringBuilder text)
    {
        text.Append(indent).Append("-> ").Append(node.Path.Name.Length == 0 ? "/" : node.Path.Name).AppendLine();
        foreach (var child in (node as ActorRefWithCell)?.Children.OrderBy(c => c.Path) ?? Enumerable.Empty<IActorRef>())
        {
            Print(child, indent + "   ", text);
        }
    }
}
