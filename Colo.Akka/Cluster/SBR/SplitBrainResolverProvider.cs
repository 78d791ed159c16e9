using Akka.Actor;
using Akka.Coordination;

namespace Akka.Cluster.SBR;

/// <summary>The default downing provider: <see cref="SplitBrainResolver"/> with the strategy of the settings.</summary>
public class SplitBrainResolverProvider : IDowningProvider
{
    private readonly ActorSystem _system;
    private readonly Cluster _cluster;
    private readonly SplitBrainResolverSettings _settings;
    private readonly DowningStrategy _strategy;

    public SplitBrainResolverProvider(ActorSystem system, Cluster cluster)
    {
        ArgumentNullException.ThrowIfNull(system);
        _system = system;
        _cluster = cluster;
        _settings = new SplitBrainResolverSettings(system.Settings.Config);
        _strategy = _settings.CreateStrategy();
    }

    /// <summary>As long as the decision takes, unless it is set.</summary>
    public TimeSpan DownRemovalMargin =>
        _cluster.Settings.DownRemovalMargin == TimeSpan.Zero ? _settings.DowningStableAfter : _cluster.Settings.DownRemovalMargin;

    public Props DowningActorProps
    {
        get
        {
            var lease = _strategy is LeaseMajority ? FindLease() : null;
            return Props.Create(() => new SplitBrainResolver(_cluster, _settings, _strategy, lease));
        }
    }

    private Lease FindLease()
    {
        var name = string.IsNullOrEmpty(_settings.LeaseName) ? $"{_system.Name}-akka-sbr" : _settings.LeaseName;
        return LeaseProvider.Get(_system).GetLease(name, _settings.LeaseImplementation, _cluster.SelfAddress.HostPort());
    }
}
