using Akka.Configuration;

namespace Akka.Cluster.SBR;

/// <summary>The section <c>akka.cluster.split-brain-resolver</c>.</summary>
public sealed class SplitBrainResolverSettings
{
    public const string KeepMajorityName = "keep-majority";
    public const string LeaseMajorityName = "lease-majority";
    public const string StaticQuorumName = "static-quorum";
    public const string KeepOldestName = "keep-oldest";
    public const string DownAllName = "down-all";

    private readonly Config _section;

    /// <param name="config">The configuration of the system.</param>
    public SplitBrainResolverSettings(Config config)
    {
        ArgumentNullException.ThrowIfNull(config);
        _section = config.GetConfig("akka.cluster.split-brain-resolver");
        if (_section.IsNullOrEmpty())
        {
            throw ConfigurationException.NullOrEmptyConfig<SplitBrainResolverSettings>("akka.cluster.split-brain-resolver");
        }

        DowningStableAfter = _section.GetTimeSpan("stable-after");
        if (DowningStableAfter == TimeSpan.Zero)
        {
            throw new ConfigurationException("'split-brain-resolver.stable-after' must be >= 0s");
        }

        DowningStrategy = _section.GetString("active-strategy");
        DownAllWhenUnstable = ReadDownAllWhenUnstable();
    }

    /// <summary>The name of the strategy.</summary>
    public string DowningStrategy { get; }

    /// <summary>How long membership and reachability must have stayed as they are before a decision is made.</summary>
    public TimeSpan DowningStableAfter { get; }

    /// <summary>How long instability is borne on top of <see cref="DowningStableAfter"/> before all go down; zero: for
    /// ever.</summary>
    public TimeSpan DownAllWhenUnstable { get; }

    internal string LeaseImplementation => _section.GetString("lease-majority.lease-implementation");

    internal string LeaseName => _section.GetString("lease-majority.lease-name");

    internal TimeSpan LeaseReleaseAfter => _section.GetTimeSpan("lease-majority.release-after");

    internal DowningStrategy CreateStrategy() => DowningStrategy switch
    {
        KeepMajorityName => new KeepMajority(Role(KeepMajorityName)),
        StaticQuorumName => new StaticQuorum(QuorumSize(), Role(StaticQuorumName)),
        KeepOldestName => new KeepOldest(_section.GetBoolean("keep-oldest.down-if-alone", true), Role(KeepOldestName)),
        DownAllName => new DownAllNodes(),
        LeaseMajorityName => new LeaseMajority(
            Role(LeaseMajorityName), _section.GetTimeSpan("lease-majority.acquire-lease-delay-for-minority")),
        _ => throw new ConfigurationException(
            $"Unknown downing strategy 'akka.cluster.split-brain-resolver.active-strategy = {DowningStrategy}'; expected one of "
            + $"{KeepMajorityName}, {StaticQuorumName}, {KeepOldestName}, {DownAllName}, {LeaseMajorityName}."),
    };

    private string Role(string strategy) => _section.GetString(strategy + ".role");

    private int QuorumSize()
    {
        var text = _section.GetString("static-quorum.quorum-size");
        return int.TryParse(text, out var size) && size >= 1
            ? size
            : throw new ConfigurationException(
                $"'akka.cluster.split-brain-resolver.static-quorum.quorum-size = {text}'; expected a whole number from 1 on.");
    }

    private TimeSpan ReadDownAllWhenUnstable()
    {
        switch (_section.GetString("down-all-when-unstable"))
        {
            case "on":
                // Three quarters of the stable time, but never below four seconds: shorter and a slow partition would
                // end it all.
                return TimeSpan.FromTicks(Math.Max(TimeSpan.FromSeconds(4).Ticks, DowningStableAfter.Ticks * 3 / 4));
            case "off":
                return TimeSpan.Zero;
            default:
                return _section.GetTimeSpan("down-all-when-unstable");
        }
    }
}
