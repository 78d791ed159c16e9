using Akka.Configuration;
using Akka.Routing;
using Akka.Util;

namespace Akka.Actor;

/// <summary>Where and how an actor is to run: node, dispatcher, mailbox. Immutable.</summary>
public class Deploy : IEquatable<Deploy>, ISurrogated
{
    public static readonly string NoDispatcherGiven;
    public static readonly string NoMailboxGiven = "";
    public static readonly Scope NoScopeGiven = Actor.NoScopeGiven.Instance;
    public static readonly Deploy Local = new(Scope.Local);
    public static readonly Deploy None = new();

    private const int NoStashSize = -1;

    public Deploy()
        : this("", null, null, NoScopeGiven, NoDispatcherGiven, NoMailboxGiven, NoStashSize)
    {
    }

    public Deploy(string path, Scope scope)
        : this(path, null, null, scope, NoDispatcherGiven, NoMailboxGiven, NoStashSize)
    {
    }

    public Deploy(Scope scope)
        : this("", scope)
    {
    }

    public Deploy(RouterConfig routerConfig)
        : this("", null, routerConfig, NoScopeGiven, NoDispatcherGiven, NoMailboxGiven, NoStashSize)
    {
    }

    public Deploy(string path, Config config, RouterConfig routerConfig, Scope scope, string dispatcher)
        : this(path, config, routerConfig, scope, dispatcher, NoMailboxGiven, NoStashSize)
    {
    }

    public Deploy(
        string path, Config config, RouterConfig routerConfig, Scope scope, string dispatcher, string mailbox)
        : this(path, config, routerConfig, scope, dispatcher, mailbox, NoStashSize)
    {
    }

    public Deploy(
        string path, Config config, RouterConfig routerConfig, Scope scope, string dispatcher, string mailbox,
        int stashCapacity)
    {
        Path = path;
        Config = config ?? ConfigurationFactory.Empty;
        RouterConfig = routerConfig ?? NoRouter.Instance;
        Scope = scope ?? NoScopeGiven;
        Dispatcher = dispatcher ?? NoDispatcherGiven;
        Mailbox = mailbox ?? NoMailboxGiven;
        StashCapacity = stashCapacity;
    }

    public string Path { get; }

    public Config Config { get; }

    public RouterConfig RouterConfig { get; }

    public Scope Scope { get; }

    public string Mailbox { get; }

    public string Dispatcher { get; }

    /// <summary>Messages that the stash may hold; -1 for no limit.</summary>
    public int StashCapacity { get; }

    public virtual Deploy WithFallback(Deploy other) => new(
        Path,
        Config.IsEmpty ? other.Config : ReferenceEquals(Config, other.Config) ? Config : Config.WithFallback(other.Config),
        RouterConfig.WithFallback(other.RouterConfig),
        Scope.WithFallback(other.Scope),
        Dispatcher ?? other.Dispatcher,
        string.IsNullOrEmpty(Mailbox) ? other.Mailbox : Mailbox,
        StashCapacity == NoStashSize ? other.StashCapacity : StashCapacity);

    public virtual Deploy WithScope(Scope scope) =>
        new(Path, Config, RouterConfig, scope ?? Scope, Dispatcher, Mailbox, StashCapacity);

    public virtual Deploy WithMailbox(string mailbox) =>
        new(Path, Config, RouterConfig, Scope, Dispatcher, mailbox, StashCapacity);

    public virtual Deploy WithDispatcher(string dispatcher) =>
        new(Path, Config, RouterConfig, Scope, dispatcher, Mailbox, StashCapacity);

    public virtual Deploy WithRouterConfig(RouterConfig routerConfig) =>
        new(Path, Config, routerConfig, Scope, Dispatcher, Mailbox, StashCapacity);

    public virtual Deploy WithStashCapacity(int stashSize) =>
        new(Path, Config, RouterConfig, Scope, Dispatcher, Mailbox, stashSize);

    public bool Equals(Deploy other) =>
        other is not null
        && (ReferenceEquals(this, other)
            || (string.Equals(Mailbox, other.Mailbox, StringComparison.Ordinal)
                && string.Equals(Dispatcher, other.Dispatcher, StringComparison.Ordinal)
                && string.Equals(Path, other.Path, StringComparison.Ordinal)
                && Scope.Equals(other.Scope) && StashCapacity == other.StashCapacity));

    public override bool Equals(object obj) => Equals(obj as Deploy);

    public override int GetHashCode() => HashCode.Combine(Mailbox, Dispatcher, Path, Scope);

    public ISurrogate ToSurrogate(ActorSystem system) => new DeploySurrogate
    {
        Path = Path, Scope = Scope, Mailbox = Mailbox, Dispatcher = Dispatcher, StashCapacity = StashCapacity,
    };

    public class DeploySurrogate : ISurrogate
    {
        public string Path { get; set; }

        public Scope Scope { get; set; }

        public string Mailbox { get; set; }

        public string Dispatcher { get; set; }

        public int StashCapacity { get; set; }

        public ISurrogated FromSurrogate(ActorSystem system) =>
            new Deploy(Path, null, null, Scope, Dispatcher, Mailbox, StashCapacity);
    }
}
