using Colo.Actors.Arbiter;

namespace Colo.Simulation;

/// <summary>The arbiter of the world: the production rules over a durable record. Its history is the oracle's ground
/// truth.</summary>
public sealed class SimWitness(SimWorld world)
{
    private readonly List<(long Time, ArbiterRecord Record)> _history = [];

    public ArbiterRecord? Record { get; private set; }

    public IReadOnlyList<(long Time, ArbiterRecord Record)> History => _history;

    public bool Down { get; set; }

    /// <summary>Asks over the network; the answer may be lost after the change was made, and a late question still
    /// counts.</summary>
    public void Ask(Place from, ArbiterProposal? proposal, Action<ArbiterAnswer> answered)
    {
        SimNetwork network = world.Network;
        if (Lost(from, Place.Witness))
        {
            return;
        }

        network.Carry(from, Place.Witness, () =>
        {
            if (Down)
            {
                return;
            }

            ArbiterAnswer answer = proposal is null ? ArbiterRules.Read(Record) : ArbiterRules.Decide(Record, proposal);
            if (proposal is not null && answer is ArbiterAnswer.Granted granted && granted.Record != Record)
            {
                world.Oracle.OnRecord(Record, granted.Record, proposal);
                Record = granted.Record;
                _history.Add((world.Scheduler.Now, granted.Record));
                world.Trace.Line(world.Scheduler.Now, "witness", "-", $"{Record.Term}", "", 0, $"{Record} by {proposal.By} {proposal.Claim}");
            }

            if (!Lost(Place.Witness, from))
            {
                network.Carry(Place.Witness, from, () => answered(answer));
            }
        });
    }

    private bool Lost(Place from, Place to) =>
        Down || world.Network.IsCut(from, to) || (world.Random("arbiter").Chance(world.Options.ArbiterLossPerMille) && !world.Healed);
}
