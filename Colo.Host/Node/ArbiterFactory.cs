using Colo.Actors.Arbiter;
using Colo.Actors.Links;
using Colo.Actors.Protocol;
using Colo.Host.Configuration;

namespace Colo.Host.Node;

/// <summary>Makes the arbiter that a configuration names.</summary>
internal static class ArbiterFactory
{
    /// <param name="own">What this node keeps itself: as the witness, or as its note where the operator is the
    /// arbiter.</param>
    public static IArbiter Create(NodeOptions options, WitnessArbiterStore own, Func<PeerLinks> links) => options.Arbiter.Kind switch
    {
        ArbiterKind.Witness when options.IsWitness => own,
        ArbiterKind.Witness => new WitnessArbiter(new HostId(options.Arbiter.WitnessNode), links),
        ArbiterKind.Directory => new DirectoryArbiter(options.Arbiter.Directory),
        ArbiterKind.Etcd => new EtcdArbiter(
            EtcdLogin.Client(options.Arbiter), options.Arbiter.EtcdEndpoints, options.Arbiter.EtcdPrefix,
            options.Arbiter.Timeout),
        _ => new NoneArbiter(own),
    };
}
