using Akka.Actor;
using Akka.Actor.Internal;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Event;
using Akka.TestKit.Internal;

namespace Akka.TestKit;

/// <summary>
/// A system to test in and an actor whose messages the test looks at. The class is cut into files by what its methods
/// are about, as its surface is that of Akka.NET's TestKit and has to be on one type.
/// </summary>
public abstract partial class TestKitBase : IActorRefFactory
{
    private static int s_probes;

    private readonly ITestKitAssertions _assertions;
    private readonly EnvelopeQueue _queue = new();
    private MessageEnvelope _last = NullMessageEnvelope.Instance;
    private TimeSpan? _end;
    private bool _lastWasNoMsg;

    protected TestKitBase(ITestKitAssertions assertions, ActorSystem system, string testActorName = null)
        : this(assertions, system, ActorSystemSetup.Empty, null, null, testActorName)
    {
    }

    protected TestKitBase(
        ITestKitAssertions assertions, ActorSystemSetup setup, string actorSystemName = null, string testActorName = null)
        : this(assertions, null, setup, null, actorSystemName, testActorName)
    {
    }

    protected TestKitBase(
        ITestKitAssertions assertions, Config config, string actorSystemName = null, string testActorName = null)
        : this(assertions, null, ActorSystemSetup.Empty, config, actorSystemName, testActorName)
    {
    }

    private TestKitBase(
        ITestKitAssertions assertions, ActorSystem system, ActorSystemSetup setup, Config config, string systemName,
        string testActorName)
    {
        _assertions = assertions ?? throw new ArgumentNullException(nameof(assertions));
        Sys = system ?? CreateSystem(setup, config, systemName);
        Sys.Settings.InjectTopLevelFallback(DefaultConfig);
        TestKitSettings = new TestKitSettings(Sys.Settings.Config);
        Log = Logging.GetLogger(Sys, GetType());
        EventFilter = new EventFilterFactory(this, Sys);
        var number = Interlocked.Increment(ref s_probes);
        TestActor = CreateTestActor(_queue, testActorName ?? "testActor" + number);

        if (this is not TestProbe)
        {
            // Tell without a sender comes from the test actor, also after an await, unless the test says otherwise.
            var sender = this is INoImplicitSender ? null : ((LocalActorRef)TestActor).Cell;
            ActorCell.Current = sender;
            SynchronizationContext.SetSynchronizationContext(new ActorCellKeepingSynchronizationContext(sender));
        }
    }

    public static Config DefaultConfig { get; } =
        ConfigurationFactory.FromResource<TestKitBase>("Akka.TestKit.Reference.conf");

    public static Config FullDebugConfig { get; } = ConfigurationFactory.ParseString(
        """
        akka.log-dead-letters-during-shutdown = true
        akka.actor.debug { receive = on, autoreceive = on, lifecycle = on, event-stream = on, unhandled = on }
        akka.log-dead-letters = on
        akka.loglevel = DEBUG
        akka.stdout-loglevel = DEBUG
        """);

    /// <summary>Monotonic.</summary>
    public static TimeSpan Now => Util.MonotonicClock.Elapsed;

    public ActorSystem Sys { get; }

    public TestKitSettings TestKitSettings { get; }

    public IActorRef TestActor { get; }

    public ILoggingAdapter Log { get; }

    public EventFilterFactory EventFilter { get; }

    public object LastMessage => _last.Message;

    public IActorRef LastSender => _last.Sender;

    public bool HasMessages => _queue.Count > 0;

    /// <summary>What is left of the innermost Within.</summary>
    /// <exception cref="InvalidOperationException">Not inside a Within.</exception>
    public TimeSpan Remaining => _end is { } end
        ? Positive(end - Now)
        : throw new InvalidOperationException("Remaining may not be called outside of \"within\"");

    public TimeSpan RemainingOrDefault => RemainingOr(Dilated(TestKitSettings.SingleExpectDefault));

    protected internal ITestKitAssertions Assertions => _assertions;

    /// <summary>Lets a pilot react to the messages of the test actor.</summary>
    public void SetAutoPilot(AutoPilot pilot) => TestActor.Tell(new SetPilot(pilot), ActorRefs.NoSender);

    /// <summary>Messages for which the function says true do not reach the test.</summary>
    public void IgnoreMessages(Func<object, bool> shouldIgnoreMessage) =>
        TestActor.Tell(new SetIgnore(shouldIgnoreMessage), ActorRefs.NoSender);

    public void IgnoreMessages<T>(Func<T, bool> shouldIgnoreMessage) =>
        IgnoreMessages(message => message is T typed && shouldIgnoreMessage(typed));

    public void IgnoreMessages<T>() => IgnoreMessages(static message => message is T);

    public void IgnoreNoMessages() => TestActor.Tell(new SetIgnore(null), ActorRefs.NoSender);

    public void Watch(IActorRef actorToWatch) => TestActor.Tell(new WatchOrder(actorToWatch), ActorRefs.NoSender);

    public void Unwatch(IActorRef actorToUnwatch) =>
        TestActor.Tell(new UnwatchOrder(actorToUnwatch), ActorRefs.NoSender);

    public TimeSpan RemainingOr(TimeSpan duration) => _end is { } end ? Positive(end - Now) : duration;

    public TimeSpan RemainingOrDilated(TimeSpan? duration)
    {
        if (duration is null)
        {
            return RemainingOrDefault;
        }

        return duration.Value < TimeSpan.Zero
            ? throw new ArgumentException("max must be positive (or null)", nameof(duration))
            : Dilated(duration.Value);
    }

    public TimeSpan Dilated(TimeSpan duration) => duration * TestKitSettings.TestTimeFactor;

    public EventFilterFactory CreateEventFilter(ActorSystem system) => new(this, system);

    /// <summary>Ends the system of the test.</summary>
    public virtual void Shutdown(TimeSpan? duration = null, bool verifySystemShutdown = false) =>
        Shutdown(Sys, duration, verifySystemShutdown);

    protected virtual void Shutdown(ActorSystem system, TimeSpan? duration = null, bool verifySystemShutdown = false)
    {
        system ??= Sys;
        var limit = duration ?? Dilated(TimeSpan.FromSeconds(5));
        if (system.Terminate().Wait(limit))
        {
            return;
        }

        var message = $"Failed to stop [{system.Name}] within [{limit}]\n{((ExtendedActorSystem)system).PrintTree()}";
        if (verifySystemShutdown)
        {
            throw new TimeoutException(message);
        }

        system.Log.Warning(message);
    }

    /// <summary>The thread goes on to other tests, which must not send in the name of this one.</summary>
    private protected static void ForgetImplicitSender()
    {
        ActorCell.Current = null;
        if (SynchronizationContext.Current is ActorCellKeepingSynchronizationContext)
        {
            SynchronizationContext.SetSynchronizationContext(null);
        }
    }

    private static TimeSpan Positive(TimeSpan time) => time < TimeSpan.Zero ? TimeSpan.Zero : time;

    private static ActorSystem CreateSystem(ActorSystemSetup setup, Config config, string name)
    {
        var bootstrap = setup.Get<BootstrapSetup>();
        var given = bootstrap.HasValue && bootstrap.Value.Config.HasValue ? bootstrap.Value.Config.Value : null;
        var whole = config.SafeWithFallback(given).SafeWithFallback(DefaultConfig);
        var basis = bootstrap.HasValue ? bootstrap.Value : BootstrapSetup.Create();
        return ActorSystem.Create(name ?? "test", setup.WithSetup(basis.WithConfig(whole)));
    }

    private IActorRef CreateTestActor(EnvelopeQueue queue, string name) => ((ActorSystemImpl)Sys).SystemActorOf(
        Props.Create<InternalTestActor>(queue).WithDispatcher("akka.test.test-actor.dispatcher"), name);
}
