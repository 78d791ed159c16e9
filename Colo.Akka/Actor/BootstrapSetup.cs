using Akka.Configuration;
using Akka.Util;

namespace Akka.Actor;

/// <summary>Configuration and provider of a system.</summary>
public sealed class BootstrapSetup : Setup.Setup
{
    private BootstrapSetup(Option<Config> config, Option<ProviderSelection> actorRefProvider, Config fallback = null)
    {
        Config = config;
        ActorRefProvider = actorRefProvider;
        ConfigFallback = fallback;
    }

    public Option<Config> Config { get; }

    public Option<ProviderSelection> ActorRefProvider { get; }

    internal Config ConfigFallback { get; }

    public static BootstrapSetup Create() => new(Option<Config>.None, Option<ProviderSelection>.None);

    public BootstrapSetup WithActorRefProvider(ProviderSelection name) => new(Config, name, ConfigFallback);

    public BootstrapSetup WithConfig(Config config) => new(config, ActorRefProvider, ConfigFallback);

    public BootstrapSetup WithConfigFallback(Config config) => new(
        Config.HasValue ? Config.Value.WithFallback(config) : config, ActorRefProvider, ConfigFallback);
}

/// <summary>Which provider makes the references of a system.</summary>
public abstract class ProviderSelection
{
    internal const string LocalActorRefProvider = "Akka.Actor.LocalActorRefProvider";
    internal const string RemoteActorRefProvider = "Akka.Remote.RemoteActorRefProvider, Akka.Remote";
    internal const string ClusterActorRefProvider = "Akka.Cluster.ClusterActorRefProvider, Akka.Cluster";

    private ProviderSelection(string identifier, string fqn, bool hasCluster)
    {
        Identifier = identifier;
        Fqn = fqn;
        HasCluster = hasCluster;
    }

    internal string Identifier { get; }

    internal string Fqn { get; }

    internal bool HasCluster { get; }

    internal static ProviderSelection Get(string providerClass) => providerClass switch
    {
        "local" or LocalActorRefProvider => Local.Instance,
        "remote" or RemoteActorRefProvider => Remote.Instance,
        "cluster" or ClusterActorRefProvider => Cluster.Instance,
        _ => new Custom(providerClass),
    };

    public sealed class Local : ProviderSelection
    {
        public static readonly Local Instance = new();

        private Local()
            : base("local", LocalActorRefProvider, false)
        {
        }
    }

    public sealed class Remote : ProviderSelection
    {
        public static readonly Remote Instance = new();

        private Remote()
            : base("remote", RemoteActorRefProvider, false)
        {
        }
    }

    public sealed class Cluster : ProviderSelection
    {
        public static readonly Cluster Instance = new();

        private Cluster()
            : base("cluster", ClusterActorRefProvider, true)
        {
        }
    }

    public sealed class Custom : ProviderSelection
    {
        public Custom(string fqn, string identifier = null, bool hasCluster = false)
            : base(identifier ?? "custom", fqn, hasCluster)
        {
        }
    }
}
