using Colo.Actors.Protocol;

namespace Colo.Host.Node;

/// <summary>
/// Which event led to which, as far as the codes say: a chain is begun by a loss or an order and ends with the roles
/// settled.
/// </summary>
internal sealed class EventCauses
{
    private readonly Dictionary<string, (EventCode Code, long At)> chains = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (long Epoch, long At)> requests = new(StringComparer.Ordinal);

    /// <summary>The cause of an event that happens now.</summary>
    public (EventCode Code, long At)? Of(string vm, HostEvent happened)
    {
        EventCode code = happened.Code;
        if (code is EventCode.CheckpointCaptured or EventCode.CheckpointCommitted or EventCode.CheckpointAborted
            or EventCode.CheckpointRejected or EventCode.CheckpointStalled)
        {
            return requests.TryGetValue(vm, out (long Epoch, long At) request) && request.Epoch == happened.Epoch.Value
                ? (EventCode.CheckpointRequested, request.At)
                : null;
        }

        bool follows = code is EventCode.TermWon or EventCode.TermRefused or EventCode.ArbiterUnknown or EventCode.TookOver or EventCode.WentSolo
            or EventCode.Evicted or EventCode.HoldingForArbiter or EventCode.HoldingForOperator or EventCode.ReplicaDiscarded
            or EventCode.VmParked or EventCode.JoinStarted or EventCode.PairEstablished or EventCode.SwitchoverDone or EventCode.SwitchoverCancelled;
        return follows && chains.TryGetValue(vm, out (EventCode, long) chain) ? chain : null;
    }

    /// <summary>Remembers an event that may be the cause of later ones.</summary>
    public void Note(string vm, HostEvent happened, long at)
    {
        EventCode code = happened.Code;
        switch (code)
        {
            case EventCode.CheckpointRequested:
                requests[vm] = (happened.Epoch.Value, at);
                break;
            case EventCode.PeerLost or EventCode.FailoverStarted or EventCode.SwitchoverStarted or EventCode.GuestBooting:
                chains[vm] = (code, at);
                break;
            case EventCode.PairEstablished or EventCode.SwitchoverDone or EventCode.SwitchoverCancelled:
                chains.Remove(vm);
                break;
            default:
                break;
        }
    }
}
