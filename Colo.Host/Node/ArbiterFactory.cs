using Colo.Actors.Arbiter;
using Colo.Actors.Links;
using Colo.Actors.Protocol;
using Colo.Host.Configuration;

namespace Colo.Host.Node;

/// <summary>Makes the arbiter that a configuration names.</summary>
internal static class ArbiterFactory
{
    public static IArbiter Create(NodeOptions options, Func<PeerLinks> links) => options.Arbiter.Kind switch
    {
        ArbiterKind.Witness when !options.IsWitness => new WitnessArbiter(new HostId(options.Arbiter.WitnessNode), links),
        _ => new StoreArbiter(new WitnessStore(
            options.Arbiter.Kind == ArbiterKind.Directory ? options.Arbiter.Directory : Path.Combine(options.StateDirectory, "witness"))),
    };

    /// <summary>A store on this host, asked directly.</summary>
    private sealed class StoreArbiter(WitnessStore store) : IArbiter
    {
        public ValueTask<ArbiterAnswer> ReadAsync(VmId vm, CancellationToken cancellation) => new(store.Answer(vm, null));

        public ValueTask<ArbiterAnswer> CompareAndSetAsync(ArbiterProposal proposal, CancellationToken cancellation) =>
            new(store.Answer(proposal.Next.Vm, proposal));
    }
}
