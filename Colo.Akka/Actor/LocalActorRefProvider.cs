using System.Globalization;
using Akka.Actor.Internal;
using Akka.Dispatch;
using Akka.Event;
using Akka.Serialization;

namespace Akka.Actor;

/// <summary>
/// References inside one system. A remote provider holds one of these for its own side and adds the other: see
/// <see cref="RegisterExtraName"/> and the constructor that takes the dead letters.
/// </summary>
public sealed class LocalActorRefProvider : IActorRefProvider
{
    private readonly Dictionary<string, IInternalActorRef> _extraNames = new(StringComparer.Ordinal);
    private readonly ActorPath _tempNode;
    private readonly IInternalActorRef _deadLetters;
    private readonly RootGuardianSupervisor _supervisor;
    private readonly Dictionary<(Type, string, string), (MessageDispatcher, MailboxType)> _placements = [];
    private ActorSystemImpl _system;
    private VirtualPathContainer _tempContainer;
    private LocalActorRef _rootGuardian;
    private Information _information;
    private long _tempNumber;

    public LocalActorRefProvider(string systemName, Settings settings, EventStream eventStream)
        : this(systemName, settings, eventStream, null, null)
    {
    }

    public LocalActorRefProvider(
        string systemName, Settings settings, EventStream eventStream, Deployer deployer,
        Func<ActorPath, IInternalActorRef> deadLettersFactory)
    {
        Settings = settings;
        EventStream = eventStream;
        Deployer = deployer ?? new Deployer(settings);
        RootPath = new RootActorPath(new Address("akka", systemName));
        Log = Logging.GetLogger(eventStream, "LocalActorRefProvider(" + RootPath.Address + ")");
        var deadLettersPath = RootPath / "deadLetters";
        _deadLetters = deadLettersFactory is null
            ? new DeadLetterActorRef(this, deadLettersPath, eventStream)
            : deadLettersFactory(deadLettersPath);
        IgnoreRef = new IgnoreActorRef(this, RootPath / "ignore");
        _tempNode = RootPath / "temp";
        _supervisor = new RootGuardianSupervisor(RootPath / "bubble-walker", this, Log);
    }

    public IActorRef DeadLetters => _deadLetters;

    public IActorRef IgnoreRef { get; }

    public Deployer Deployer { get; }

    public IInternalActorRef RootGuardian => _rootGuardian;

    public ActorPath RootPath { get; }

    public Settings Settings { get; }

    public LocalActorRef Guardian { get; private set; }

    public LocalActorRef SystemGuardian { get; private set; }

    public IInternalActorRef TempContainer => _tempContainer;

    public Task TerminationTask => _supervisor.Terminated;

    public Address DefaultAddress => RootPath.Address;

    public EventStream EventStream { get; }

    public ILoggingAdapter Log { get; }

    public Information SerializationInformation => _information ??= new Information(DefaultAddress, _system);

    /// <summary>A name below the root that is not an actor, such as <c>/remote</c>.</summary>
    public void RegisterExtraName(string name, IInternalActorRef actor) => _extraNames.Add(name, actor);

    public void Init(ActorSystemImpl system)
    {
        _system = system;
        var dispatcher = system.Dispatchers.DefaultGlobalDispatcher;
        var mailbox = system.Mailboxes.Lookup(Mailboxes.DefaultMailboxId);
        var internalDispatcher = system.Dispatchers.Lookup(Dispatchers.InternalDispatcherId);

        _rootGuardian = new RootGuardianActorRef(
            system, Props.Create(() => new RootGuardianActor()), internalDispatcher, mailbox, _supervisor, RootPath,
            _deadLetters, _extraNames);
        _tempContainer = new VirtualPathContainer(this, _tempNode, _rootGuardian);
        ((RootGuardianActorRef)_rootGuardian).SetTempContainer(_tempContainer);

        var strategy = SupervisorStrategyConfigurator.CreateConfigurator(Settings.SupervisorStrategyClass);
        var userProps = Props.Create<UserGuardianActor>().WithSupervisorStrategy(strategy.Create());
        Guardian = TopLevel("user", userProps, dispatcher, mailbox);
        SystemGuardian = TopLevel(
            "system", Props.Create<SystemGuardianActor>(Guardian), internalDispatcher, mailbox);
        _rootGuardian.Start();
        Guardian.Start();
        SystemGuardian.Start();
        _rootGuardian.SendSystemMessage(new Dispatch.SysMsg.Watch(Guardian, _rootGuardian));
        _rootGuardian.SendSystemMessage(new Dispatch.SysMsg.Watch(SystemGuardian, _rootGuardian));
    }

    public IInternalActorRef ActorOf(
        ActorSystemImpl system, Props props, IInternalActorRef supervisor, ActorPath path, bool systemService,
        Deploy deploy, bool lookupDeploy, bool async)
    {
        if (!systemService)
        {
            if (deploy is not null)
            {
                props = props.WithDeploy(deploy);
            }

            if (lookupDeploy && Deployer.Lookup(path) is { } configured)
            {
                props = props.WithDeploy(configured);
            }
        }

        var (dispatcher, mailbox) = Place(system, props);
        return new LocalActorRef(system, props, dispatcher, mailbox, supervisor, path);
    }

    public IActorRef RootGuardianAt(Address address) =>
        address.Equals(RootPath.Address) ? RootGuardian : _deadLetters;

    public IActorRef ResolveActorRef(string path) =>
        ActorPath.TryParse(path, out var parsed) && parsed.Address.Equals(RootPath.Address)
            ? ResolveActorRef(parsed)
            : Unresolved(path);

    public IActorRef ResolveActorRef(ActorPath actorPath)
    {
        if (!actorPath.Root.Equals(RootPath))
        {
            return Unresolved(actorPath.ToString());
        }

        return ResolveActorRef(_rootGuardian, actorPath);
    }

    public ActorPath TempPath()
    {
        var number = _system.Hooks is { } hooks ? hooks.NextUid() : Interlocked.Increment(ref _tempNumber);
        return _tempNode / ("$" + Base36(number));
    }

    public void RegisterTempActor(IInternalActorRef actorRef, ActorPath path)
    {
        if (!Equals(path.Parent, _tempNode))
        {
            throw new InvalidOperationException($"Cannot RegisterTempActor() with {path}, expected a path below {_tempNode}");
        }

        _tempContainer.AddChild(path.Name, actorRef);
    }

    public void UnregisterTempActor(ActorPath path)
    {
        if (!Equals(path.Parent, _tempNode))
        {
            throw new InvalidOperationException($"Cannot UnregisterTempActor() with {path}, expected a path below {_tempNode}");
        }

        _tempContainer.RemoveChild(path.Name);
    }

    public FutureActorRef<T> CreateFutureRef<T>(TaskCompletionSource<T> tcs) => new(tcs, null, this);

    public Address GetExternalAddressFor(Address address) => address.Equals(RootPath.Address) ? address : null;

    /// <summary>How many answers to Ask have a path.</summary>
    internal int TempActorCount => _tempContainer.Count;

    private IActorRef ResolveActorRef(LocalActorRef root, ActorPath path)
    {
        var elements = path.Elements;
        if (elements.Count == 0)
        {
            return root;
        }

        var names = elements.ToArray();
        if (path.Uid != ActorCell.UndefinedUid)
        {
            names[^1] += "#" + path.Uid.ToString(CultureInfo.InvariantCulture);
        }

        var found = root.GetChild(names);
        return found.IsNobody() ? new EmptyLocalActorRef(this, path, EventStream) : found;
    }

    private IInternalActorRef Unresolved(string path)
    {
        Log.Debug("Resolve of unknown path [{0}] failed. Invalid format or foreign address.", path);
        return _deadLetters;
    }

    private LocalActorRef TopLevel(string name, Props props, MessageDispatcher dispatcher, MailboxType mailbox)
    {
        var path = new ChildActorPath(RootPath, name, ActorCell.UndefinedUid);
        var reference = new LocalActorRef(_system, props, dispatcher, mailbox, _rootGuardian, path);
        _rootGuardian.Cell.InitChild(reference);
        return reference;
    }

    /// <summary>
    /// Where the actors of one class and setting run: the same for all of them, so it is worked out once.
    /// </summary>
    private (MessageDispatcher Dispatcher, MailboxType Mailbox) Place(ActorSystemImpl system, Props props)
    {
        var key = (props.Type, props.Dispatcher, props.Mailbox);
        lock (_placements)
        {
            if (_placements.TryGetValue(key, out var known))
            {
                return known;
            }
        }

        var dispatcher = system.Dispatchers.Lookup(props.Dispatcher);
        var mailbox = system.Mailboxes.GetMailboxType(
            props, props.Dispatcher is null ? null : dispatcher.Configurator.Config);
        if (dispatcher.Configurator is not PinnedDispatcherConfigurator)
        {
            lock (_placements)
            {
                _placements[key] = (dispatcher, mailbox);
            }
        }

        return (dispatcher, mailbox);
    }

    private static string Base36(long number)
    {
        const string digits = "abcdefghijklmnopqrstuvwxyz0123456789";
        var text = "";
        for (var rest = (ulong)number; text.Length == 0 || rest > 0; rest /= 36)
        {
            text += digits[(int)(rest % 36)];
        }

        return text;
    }
}
