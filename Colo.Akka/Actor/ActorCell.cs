using Akka.Actor.Internal;
using Akka.Dispatch;
using Akka.Dispatch.SysMsg;
using Akka.Event;

namespace Akka.Actor;

/// <summary>
/// The engine's side of one actor: instance, behaviour, children, watches. Everything here runs on the thread that
/// holds the mailbox, except sending and looking up children.
/// </summary>
public class ActorCell : IUntypedActorContext
{
    public const int UndefinedUid = 0;

    [ThreadStatic]
    private static ActorCell t_current;

    private readonly IInternalActorRef _self;
    private Mailbox _mailbox;
    private ChildTable _children;
    private DeathWatch _watch;
    private Receive _behavior;
    private Stack<Receive> _behaviorsBelow;
    private ReceiveTimeoutState _receiveTimeout;
    private ActorTaskScheduler _taskScheduler;
    private SupervisorStrategy _strategy;
    private ActorBase _awaitedInstance;
    private bool _isConstructing;

    public ActorCell(
        ActorSystemImpl system, IInternalActorRef self, Props props, MessageDispatcher dispatcher,
        IInternalActorRef parent)
    {
        SystemImpl = system;
        _self = self;
        Props = props;
        Dispatcher = dispatcher;
        Parent = parent;
        Lifecycle = new CellLifecycle(this);
    }

    public ActorSystem System => SystemImpl;

    public ActorSystemImpl SystemImpl { get; }

    public Props Props { get; private set; }

    public IActorRef Self => _self;

    public IInternalActorRef Parent { get; private set; }

    IActorRef IActorContext.Parent => Parent;

    public MessageDispatcher Dispatcher { get; }

    public Mailbox Mailbox => Volatile.Read(ref _mailbox);

    public object CurrentMessage { get; private set; }

    public IActorRef Sender { get; private set; }

    /// <summary>Counts the messages this actor has begun to handle; tells one from the next.</summary>
    public int CurrentEnvelopeId { get; private set; }

    public bool IsTerminated => Mailbox.IsClosed;

    public bool HasMessages => Mailbox.HasMessages;

    public int NumberOfMessages => Mailbox.NumberOfMessages;

    public TimeSpan? ReceiveTimeout => _receiveTimeout?.Timeout;

    public virtual ActorTaskScheduler TaskScheduler => _taskScheduler ??= new ActorTaskScheduler(this);

    /// <summary>The actor that this thread is running; null outside of actors.</summary>
    internal static ActorCell Current
    {
        get => t_current;
        set => t_current = value;
    }

    internal CellLifecycle Lifecycle { get; }

    internal IInternalActorRef SelfRef => _self;

    internal ActorBase Actor { get; set; }

    internal bool IsTerminating { get; set; }

    internal bool HasChildren => _children is { Count: > 0 };

    internal ChildTable ChildrenOrNull => _children;

    internal DeathWatch WatchOrNull => _watch;

    private DeathWatch Watching => _watch ??= new DeathWatch(this);

    public static IActorRef GetCurrentSelfOrNoSender() => t_current?._self;

    public static IActorRef GetCurrentSenderOrNoSender() => t_current?.Sender;

    // ----- sending

    public virtual void SendMessage(IActorRef sender, object message)
    {
        if (message is null)
        {
            throw new InvalidMessageException($"Message is null. It was sent to {Self}");
        }

        if (SystemImpl.LooksAtMessages)
        {
            SystemImpl.Hooks?.Sending(message);
            message = SystemImpl.SerializesMessages ? MessageVerification.Copy(SystemImpl, Self, message) : message;
        }

        Dispatcher.Dispatch(this, new Envelope(message, sender));
    }

    public virtual void SendMessage(Envelope message) => SendMessage(message.Sender, message.Message);

    public virtual void SendSystemMessage(ISystemMessage systemMessage) =>
        Dispatcher.SystemDispatch(this, (SystemMessage)systemMessage);

    public virtual void Start() => Dispatcher.Attach(this);

    public void Suspend() => SendSystemMessage(new Suspend());

    public void Resume(Exception causedByFailure) => SendSystemMessage(new Resume(causedByFailure));

    public void Restart(Exception cause) => SendSystemMessage(new Recreate(cause));

    public void Stop() => SendSystemMessage(new Terminate());

    // ----- receiving

    /// <summary>Handles one user message. Never throws: a failure goes to the supervisor.</summary>
    public void Invoke(Envelope envelope)
    {
        var message = envelope.Message;
        SystemImpl.Hooks?.Delivering(this, message);
        CurrentMessage = message;
        Sender = envelope.Sender ?? SystemImpl.DeadLetters;
        CurrentEnvelopeId++;
        var timeout = _receiveTimeout;
        var influences = timeout is not null && message is not INotInfluenceReceiveTimeout;
        try
        {
            if (influences)
            {
                timeout.Cancel();
            }

            if (message is IAutoReceivedMessage)
            {
                AutoReceiveMessage(envelope);
            }
            else
            {
                ReceiveMessage(message);
            }
        }
        catch (Exception cause)
        {
            // The message stays current, as PreRestart is told which one it was.
            Lifecycle.HandleInvokeFailure(cause);
            return;
        }

        CurrentMessage = null;
        Sender = null;
        if (_receiveTimeout is not null && _taskScheduler is not { IsBusy: true })
        {
            CheckReceiveTimeout(influences);
        }
    }

    /// <summary>Handles one system message. Never throws.</summary>
    internal void SystemInvoke(ISystemMessage message)
    {
        try
        {
            Lifecycle.Handle(message);
        }
        catch (Exception cause)
        {
            Lifecycle.HandleInvokeFailure(cause);
        }
    }

    public void ReceiveMessageForTest(Envelope envelope)
    {
        var outer = t_current;
        t_current = this;
        (CurrentMessage, Sender) = (envelope.Message, envelope.Sender ?? SystemImpl.DeadLetters);
        try
        {
            ReceiveMessage(envelope.Message);
        }
        finally
        {
            (CurrentMessage, Sender) = (null, null);
            t_current = outer;
        }
    }

    public void UseThreadContext(Action action)
    {
        var outer = t_current;
        t_current = this;
        try
        {
            action();
        }
        finally
        {
            t_current = outer;
        }
    }

    internal void SetCurrent(object message, IActorRef sender) => (CurrentMessage, Sender) = (message, sender);

    /// <summary>The task scheduler of a previous incarnation has nothing to say any more.</summary>
    internal bool IsCurrent(ActorTaskScheduler scheduler) =>
        scheduler is not null && ReferenceEquals(scheduler, _taskScheduler);

    internal void ReceiveTerminated(Terminated terminated)
    {
        if (_watch?.Deliver(terminated) is { } message)
        {
            CurrentMessage = message;
            ReceiveMessage(message);
        }
    }

    protected virtual void ReceiveMessage(object message)
    {
        if (message is ITimerMessage timer)
        {
            message = (Actor as IWithTimers)?.Timers is TimerScheduler timers ? timers.Intercept(timer) : null;
            if (message is null)
            {
                return;
            }

            CurrentMessage = message;
            if (message is IAutoReceivedMessage)
            {
                AutoReceiveMessage(new Envelope(message, Sender));
                return;
            }
        }

        Actor.AroundReceive(_behavior, message);
    }

    protected virtual void AutoReceiveMessage(Envelope envelope)
    {
        var message = envelope.Message;
        if (SystemImpl.Settings.DebugAutoReceive)
        {
            Publish(new Debug(Self.Path.ToString(), ActorType, "received AutoReceiveMessage " + message));
        }

        switch (message)
        {
            case Terminated terminated:
                ReceiveTerminated(terminated);
                break;
            case AddressTerminated gone:
                _watch?.AddressTerminated(gone.Address);
                break;
            case Kill:
                throw new ActorKilledException("Kill");
            case PoisonPill:
                Stop();
                break;
            case ActorSelectionMessage selection:
                SelectionDelivery.Deliver(_self, Sender, selection);
                break;
            case Identify identify:
                Sender.Tell(new ActorIdentity(identify.MessageId, Self), Self);
                break;
            default:
                ReceiveMessage(message);
                break;
        }
    }

    // ----- behaviour

    public void Become(Receive receive) => _behavior = receive;

    public void BecomeStacked(Receive receive)
    {
        (_behaviorsBelow ??= new Stack<Receive>()).Push(_behavior);
        _behavior = receive;
    }

    /// <summary>Back to the behaviour below; with none, to the one the actor was born with.</summary>
    public void UnbecomeStacked() =>
        _behavior = _behaviorsBelow is not null && _behaviorsBelow.TryPop(out var below) ? below : Actor.InitialReceive;

    void IUntypedActorContext.Become(UntypedReceive receive) => Become(Wrap(receive));

    void IUntypedActorContext.BecomeStacked(UntypedReceive receive) => BecomeStacked(Wrap(receive));

    public void SetReceiveTimeout(TimeSpan? timeout = null)
    {
        _receiveTimeout?.Cancel();
        if (timeout is { } limit && limit <= TimeSpan.Zero && limit != Timeout.InfiniteTimeSpan)
        {
            throw new ArgumentException($"The receive timeout is {limit}, expected more than zero", nameof(timeout));
        }

        _receiveTimeout = timeout is null || timeout == Timeout.InfiniteTimeSpan
            ? null
            : new ReceiveTimeoutState(timeout.Value);
        if (CurrentMessage is null)
        {
            CheckReceiveTimeout();
        }
    }

    /// <summary>Starts the receive timeout anew, or for the first time.</summary>
    public void CheckReceiveTimeout(bool reschedule = true)
    {
        if (_receiveTimeout is { } timeout && !IsTerminating && !IsTerminated && (reschedule || !timeout.IsRunning))
        {
            timeout.Start(SystemImpl.Scheduler, _self);
        }
    }

    // ----- children

    public virtual IActorRef ActorOf(Props props, string name = null) =>
        ChildMaker.Make(this, props, name, systemService: false);

    public virtual IActorRef AttachChild(Props props, bool isSystemService, string name = null) =>
        ChildMaker.Make(this, props, name, isSystemService);

    public ActorSelection ActorSelection(string path) =>
        ActorRefFactoryShared.ActorSelection(path, SystemImpl, Self);

    public ActorSelection ActorSelection(ActorPath path) => ActorRefFactoryShared.ActorSelection(path, SystemImpl);

    IActorRef IActorContext.Child(string name) => GetSingleChild(name);

    IEnumerable<IActorRef> IActorContext.GetChildren() => GetChildren();

    public IEnumerable<IInternalActorRef> GetChildren() => _children?.Snapshot().Select(s => s.Child) ?? [];

    /// <summary>Copies the table only when somebody looks: a parent of many hears of each death.</summary>
    internal IEnumerable<IInternalActorRef> ChildrenWhenAsked()
    {
        foreach (var child in GetChildren())
        {
            yield return child;
        }
    }

    /// <summary>Nobody when there is no such child; <c>name#uid</c> asks for one incarnation.</summary>
    public IInternalActorRef GetSingleChild(string name)
    {
        var (plain, uid) = ActorNames.Split(name);
        return _children is not null && _children.TryGetByName(plain, out var found) && found is ChildRestartStats stats
            && (uid == UndefinedUid || uid == stats.Uid)
            ? stats.Child
            : ActorRefs.Nobody;
    }

    public bool TryGetChildStatsByName(string name, out IChildStats child)
    {
        child = null;
        return _children is not null && _children.TryGetByName(name, out child);
    }

    internal bool TryGetChildStatsByRef(IActorRef actor, out ChildRestartStats child)
    {
        child = null;
        return _children is not null && _children.TryGetByRef(actor, out child);
    }

    public ChildRestartStats InitChild(IInternalActorRef actor)
    {
        if (TryGetChildStatsByRef(actor, out var known))
        {
            return known;
        }

        var stats = new ChildRestartStats(actor, SystemImpl.Clock);
        ChildTable.Add(stats);
        return stats;
    }

    /// <summary>For references that are made elsewhere, as those of the test kit.</summary>
    internal string ReserveChildName(string name) => ChildTable.Reserve(name);

    /// <summary>Stops a child; anything else that is given is stopped too.</summary>
    public void Stop(IActorRef child)
    {
        _children?.MarkStopping(child);
        ((IInternalActorRef)child).Stop();
    }

    // ----- watching

    public IActorRef Watch(IActorRef subject)
    {
        Watching.Watch((IInternalActorRef)subject, null);
        return subject;
    }

    public IActorRef WatchWith(IActorRef subject, object message)
    {
        ArgumentNullException.ThrowIfNull(message);
        Watching.Watch((IInternalActorRef)subject, message);
        return subject;
    }

    public IActorRef Unwatch(IActorRef subject)
    {
        _watch?.Unwatch((IInternalActorRef)subject);
        return subject;
    }

    internal void AddWatcher(Watch watch) => Watching.AddWatcher(watch.Watchee, watch.Watcher);

    internal void RemoveWatcher(Unwatch unwatch) => _watch?.RemoveWatcher(unwatch.Watchee, unwatch.Watcher);

    // ----- used by CellLifecycle

    /// <summary>Makes the mailbox and puts the Create message into it.</summary>
    public void Init(bool sendSupervise, MailboxType mailboxType)
    {
        var mailbox = new Mailbox(mailboxType.Create(Self, System));
        mailbox.SetActor(this);
        _mailbox = mailbox;
        mailbox.EnqueueSystem(Self, new Create());
        if (sendSupervise)
        {
            Parent.SendSystemMessage(new Supervise(Self, async: false));
        }
    }

    internal Mailbox SwapMailbox(Mailbox mailbox) => Interlocked.Exchange(ref _mailbox, mailbox);

    internal SupervisorStrategy Strategy =>
        _strategy ??= Props.SupervisorStrategy ?? Actor?.CreateSupervisorStrategy() ?? SupervisorStrategy.DefaultStrategy;

    internal Type ActorType => Actor?.GetType() ?? typeof(ActorCell);

    internal void Publish(object @event)
    {
        try
        {
            SystemImpl.EventStream.Publish(@event);
        }
        catch (Exception)
        {
            // Reporting a failure must not become one.
        }
    }

    internal ActorBase NewActor()
    {
        _behavior = null;
        _behaviorsBelow = null;
        _strategy = null;
        _isConstructing = true;
        ActorBase instance;
        try
        {
            instance = ActorInstances.Create(this);
        }
        finally
        {
            _isConstructing = false;
            _awaitedInstance = null;
        }

        ActorInstances.Prepare(instance, this);
        _behavior ??= instance.InitialReceive;
        return instance;
    }

    /// <summary>Called by the constructor of ActorBase.</summary>
    internal void ClaimInstance(ActorBase instance)
    {
        if (!_isConstructing || _awaitedInstance is not null)
        {
            throw new ActorInitializationException(
                $"You cannot create an instance of {instance.GetType()} explicitly using the constructor (new). "
                + "You have to use one of the factory methods to create a new actor.");
        }

        _awaitedInstance = instance;
    }

    /// <summary>Lets go of an instance that will not run again.</summary>
    internal void ReleaseActor(ActorBase instance) => ActorInstances.Release(instance, this);

    /// <summary>An async handler of the old instance no longer holds the mailbox.</summary>
    internal void ForgetTaskScheduler()
    {
        if (_taskScheduler is { IsBusy: true })
        {
            Mailbox.Resume();
        }

        _taskScheduler = null;
    }

    /// <summary>Keeps nothing that a held reference to a stopped actor would keep alive.</summary>
    internal void ClearCell()
    {
        SetReceiveTimeout(null);
        Actor = null;
        _behavior = null;
        _behaviorsBelow = null;
        _taskScheduler = null;
        _watch = null;
        _strategy = null;
        _children?.Close();
        CurrentMessage = null;
        Sender = null;
        Props = TerminatedProps.Instance;
    }

    private static Receive Wrap(UntypedReceive receive) => message =>
    {
        receive(message);
        return true;
    };

    /// <summary>Made with the first child, as most actors have none.</summary>
    internal ChildTable ChildTable
    {
        get
        {
            if (_children is null)
            {
                Interlocked.CompareExchange(ref _children, new ChildTable(), null);
            }

            return _children;
        }
    }
}
