using Colo.Actors.Failover;
using Colo.Actors.Protocol;

namespace Colo.Simulation.Oracle;

/// <summary>
/// S3: nothing acts on a message of a lower term. A sender that is in the arbiter's set is of the present session:
/// after solo became pair its answers may still carry the term before.
/// </summary>
public sealed class FencingChecker(SimWorld world)
{
    private Term _own;
    private string _state = "";

    public void Before(SimVm vm, PeerMessage message)
    {
        _ = message;
        _own = vm.Protocol.Failover.Term;
        _state = States(vm);
    }

    public void After(SimVm vm, PeerMessage message, bool refused)
    {
        bool introducesItself = message is JoinOffer or JoinInvite or PairDissolved or PairEstablished or SwitchoverGranted;
        bool member = world.Witness.Record?.InSync(message.From) == true;
        bool acted = !refused && _state != States(vm);
        if (message.Term < _own && !introducesItself && !member && acted)
        {
            throw new InvariantFailureException("S3", $"{vm.Identity} in {_own} acted on {message.GetType().Name} of {message.From} {message.Term}: {_state} to {States(vm)}");
        }
    }

    private static string States(SimVm vm) =>
        $"{vm.Protocol.Failover.StateName}/{vm.Protocol.Primary.StateName}/{vm.Protocol.Secondary.StateName}";
}
