namespace Colo.Actors.Protocol;

/// <summary>Facts about event codes.</summary>
public static class EventCodes
{
    public static EventSeverity SeverityOf(EventCode code) =>
        IsError(code) ? EventSeverity.Error : IsWarning(code) ? EventSeverity.Warning : EventSeverity.Info;

    private static bool IsError(EventCode code) =>
        code is EventCode.GuestBootFailed or EventCode.LoadFailed or EventCode.InvariantViolated
            or EventCode.LocalDiskError or EventCode.VerifyDiffers;

    private static bool IsWarning(EventCode code) =>
        code is EventCode.ColdStartWaits or EventCode.GuestSilent or EventCode.NodeStops or EventCode.HostLost
            or EventCode.PeerLost or EventCode.PeerRestarted or EventCode.TermRefused
            or EventCode.ArbiterUnknown or EventCode.GatewayLost or EventCode.LocalStall or EventCode.LinkLost
            or EventCode.CheckpointAborted or EventCode.CheckpointRejected or EventCode.CheckpointStalled
            or EventCode.DiskLinkLost or EventCode.DiskBufferHigh or EventCode.ResyncFailed or EventCode.GuestThrottled
            or EventCode.VerifyAborted
            or EventCode.FailoverStarted or EventCode.WentSolo or EventCode.TookOver or EventCode.Evicted
            or EventCode.JoinAborted or EventCode.SwitchoverCancelled or EventCode.HoldingForArbiter
            or EventCode.HoldingForOperator or EventCode.ReplicaDiscarded or EventCode.CommandFailed
            or EventCode.FaultInjected;
}
