using Akka.Actor;
using Akka.Util;

namespace Akka.Cluster;

/// <summary>
/// Decides about members that have become unreachable. Named by <c>akka.cluster.downing-provider-class</c>; made with a
/// constructor that takes <c>(ActorSystem, Cluster)</c>.
/// </summary>
public interface IDowningProvider
{
    /// <summary>How long others wait after the removal of a member before they take over what it had.</summary>
    TimeSpan DownRemovalMargin { get; }

    /// <summary>The actor that decides, or null when nobody does.</summary>
    Props DowningActorProps { get; }
}

/// <summary>Nobody decides: an unreachable member stays until it comes back or an operator gives it up.</summary>
public sealed class NoDowning : IDowningProvider
{
    private readonly Cluster _cluster;

    public NoDowning(ActorSystem system, Cluster cluster)
    {
        _ = system;
        _cluster = cluster;
    }

    public TimeSpan DownRemovalMargin => _cluster.Settings.DownRemovalMargin;

    public Props DowningActorProps => null;
}

/// <summary>Makes the provider that the settings name.</summary>
internal static class DowningProvider
{
    internal static IDowningProvider Load(string typeName, ActorSystem system, Cluster cluster) => typeName switch
    {
        null or "" => new NoDowning(system, cluster),
        // The name that earlier versions used for the same thing.
        "Akka.Cluster.SplitBrainResolver, Akka.Cluster" => new SBR.SplitBrainResolverProvider(system, cluster),
        _ => TypeNames.Create<IDowningProvider>(typeName, "a downing provider with a constructor (ActorSystem, Cluster)", system, cluster),
    };
}
