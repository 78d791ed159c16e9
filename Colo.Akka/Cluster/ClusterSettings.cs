using System.Collections.Immutable;
using Akka.Actor;
using Akka.Configuration;
using Akka.Util;

namespace Akka.Cluster;

/// <summary>The section <c>akka.cluster</c>.</summary>
public sealed class ClusterSettings
{
    /// <param name="config">The configuration of the system.</param>
    /// <param name="systemName">The name of the system.</param>
    public ClusterSettings(Config config, string systemName)
    {
        ArgumentNullException.ThrowIfNull(config);
        SystemName = systemName;
        var cluster = config.GetConfig("akka.cluster");
        if (cluster.IsNullOrEmpty())
        {
            throw ConfigurationException.NullOrEmptyConfig<ClusterSettings>("akka.cluster");
        }

        FailureDetectorConfig = cluster.GetConfig("failure-detector");
        FailureDetectorImplementationClass = FailureDetectorConfig.GetString("implementation-class");
        HeartbeatInterval = FailureDetectorConfig.GetTimeSpan("heartbeat-interval");
        HeartbeatExpectedResponseAfter = FailureDetectorConfig.GetTimeSpan("expected-response-after");
        MonitoredByNrOfMembers = FailureDetectorConfig.GetInt("monitored-by-nr-of-members");
        SeedNodes = [.. cluster.GetStringList("seed-nodes").Select(Address.Parse)];
        SeedNodeTimeout = cluster.GetTimeSpan("seed-node-timeout");
        RetryUnsuccessfulJoinAfter = Switchable(cluster, "retry-unsuccessful-join-after");
        ShutdownAfterUnsuccessfulJoinSeedNodes = Switchable(cluster, "shutdown-after-unsuccessful-join-seed-nodes");
        PeriodicTasksInitialDelay = cluster.GetTimeSpan("periodic-tasks-initial-delay");
        GossipInterval = cluster.GetTimeSpan("gossip-interval");
        GossipTimeToLive = cluster.GetTimeSpan("gossip-time-to-live");
        LeaderActionsInterval = cluster.GetTimeSpan("leader-actions-interval");
        UnreachableNodesReaperInterval = cluster.GetTimeSpan("unreachable-nodes-reaper-interval");
        PublishStatsInterval = Switchable(cluster, "publish-stats-interval");
        DownRemovalMargin = Switchable(cluster, "down-removal-margin") ?? TimeSpan.Zero;
        AllowWeaklyUpMembers = WeaklyUp(cluster) is not null;
        WeaklyUpAfter = WeaklyUp(cluster) ?? TimeSpan.Zero;
        Roles = [.. cluster.GetStringList("roles")];
        AppVersion = ReadAppVersion(cluster.GetString("app-version"));
        MinNrOfMembers = cluster.GetInt("min-nr-of-members");
        MinNrOfMembersOfRole = ReadRoleMinimums(cluster);
        RunCoordinatedShutdownWhenDown = cluster.GetBoolean("run-coordinated-shutdown-when-down", true);
        LogInfo = cluster.GetBoolean("log-info", true);
        LogInfoVerbose = cluster.GetBoolean("log-info-verbose");
        VerboseHeartbeatLogging = cluster.GetBoolean("debug.verbose-heartbeat-logging");
        VerboseGossipReceivedLogging = cluster.GetBoolean("debug.verbose-receive-gossip-logging");
        GossipDifferentViewProbability = cluster.GetDouble("gossip-different-view-probability");
        ReduceGossipDifferentViewProbability = cluster.GetInt("reduce-gossip-different-view-probability");
        UseDispatcher = cluster.GetString("use-dispatcher") is { Length: > 0 } dispatcher ? dispatcher : "";
        DowningProviderType = cluster.GetString("downing-provider-class");
        Check();
    }

    public string SystemName { get; }

    public Config FailureDetectorConfig { get; }

    public string FailureDetectorImplementationClass { get; }

    public TimeSpan HeartbeatInterval { get; }

    public TimeSpan HeartbeatExpectedResponseAfter { get; }

    public int MonitoredByNrOfMembers { get; }

    public ImmutableList<Address> SeedNodes { get; }

    public TimeSpan SeedNodeTimeout { get; }

    /// <summary>Null: never try again.</summary>
    public TimeSpan? RetryUnsuccessfulJoinAfter { get; }

    /// <summary>Null: try for ever.</summary>
    public TimeSpan? ShutdownAfterUnsuccessfulJoinSeedNodes { get; }

    public TimeSpan PeriodicTasksInitialDelay { get; }

    public TimeSpan GossipInterval { get; }

    public TimeSpan GossipTimeToLive { get; }

    public TimeSpan LeaderActionsInterval { get; }

    public TimeSpan UnreachableNodesReaperInterval { get; }

    /// <summary>Read for the settings alone: this engine publishes no statistics of gossip.</summary>
    public TimeSpan? PublishStatsInterval { get; }

    public TimeSpan DownRemovalMargin { get; }

    public bool AllowWeaklyUpMembers { get; }

    /// <summary>How long the cluster must have failed to agree before members come up weakly.</summary>
    public TimeSpan WeaklyUpAfter { get; }

    public ImmutableHashSet<string> Roles { get; }

    public AppVersion AppVersion { get; }

    public int MinNrOfMembers { get; }

    public ImmutableDictionary<string, int> MinNrOfMembersOfRole { get; }

    public bool RunCoordinatedShutdownWhenDown { get; }

    public bool LogInfo { get; }

    public bool LogInfoVerbose { get; }

    public bool VerboseHeartbeatLogging { get; }

    public bool VerboseGossipReceivedLogging { get; }

    public double GossipDifferentViewProbability { get; }

    public int ReduceGossipDifferentViewProbability { get; }

    public string UseDispatcher { get; }

    /// <summary>The class named by <c>downing-provider-class</c>.</summary>
    internal string DowningProviderType { get; }

    internal MinimumMembers MinimumMembers => new(MinNrOfMembers, MinNrOfMembersOfRole);

    private static TimeSpan? Switchable(Config section, string key) =>
        section.GetString(key) is null or "off" or "false" ? null : section.GetTimeSpan(key);

    // "on" is an older way to write the default.
    private static TimeSpan? WeaklyUp(Config section) => section.GetString("allow-weakly-up-members") switch
    {
        null or "off" or "false" => null,
        "on" or "true" => TimeSpan.FromSeconds(7),
        _ => section.GetTimeSpan("allow-weakly-up-members"),
    };

    private static AppVersion ReadAppVersion(string text) => string.IsNullOrEmpty(text) || text == AppVersion.AssemblyVersionName
        ? AppVersion.AssemblyVersion()
        : AppVersion.Create(text);

    private static ImmutableDictionary<string, int> ReadRoleMinimums(Config cluster)
    {
        var roles = cluster.GetConfig("role");
        return roles is null
            ? ImmutableDictionary<string, int>.Empty
            : roles.AsEnumerable()
                .Select(role => (role.Key, Minimum: role.Value.GetChildObject("min-nr-of-members")))
                .Where(role => role.Minimum is not null)
                .ToImmutableDictionary(role => role.Key, role => role.Minimum.GetInt());
    }

    private void Check()
    {
        Require(HeartbeatInterval > TimeSpan.Zero, "failure-detector.heartbeat-interval must be > 0");
        Require(HeartbeatExpectedResponseAfter > TimeSpan.Zero, "failure-detector.expected-response-after must be > 0");
        Require(MonitoredByNrOfMembers > 0, "failure-detector.monitored-by-nr-of-members must be > 0");
        Require(MinNrOfMembers > 0, "min-nr-of-members must be > 0");
        Require(GossipInterval > TimeSpan.Zero, "gossip-interval must be > 0");
        Require(LeaderActionsInterval > TimeSpan.Zero, "leader-actions-interval must be > 0");
        Require(UnreachableNodesReaperInterval > TimeSpan.Zero, "unreachable-nodes-reaper-interval must be > 0");
    }

    private static void Require(bool condition, string text)
    {
        if (!condition)
        {
            throw new ArgumentException("akka.cluster." + text);
        }
    }
}
