namespace Colo.Actors.Protocol;

/// <summary>Let a secondary join (the default) and keep the VM protected.</summary>
/// <param name="On">The host that shall have the second copy: another one is given up for it. Null: whichever is
/// best.</param>
public sealed record ProtectCommand(CommandId Id, HostId? On = null) : OperatorCommand(Id);

/// <summary>Give the secondary up and run alone until <see cref="ProtectCommand"/>.</summary>
public sealed record UnprotectCommand(CommandId Id) : OperatorCommand(Id);

/// <summary>For a sick pair: this host takes over, or goes on alone, as if the peer were lost.</summary>
/// <param name="AcceptDataLoss">Take over from a disk even if this host is not in the in-sync set.</param>
public sealed record FailoverCommand(CommandId Id, string Reason, bool AcceptDataLoss) : OperatorCommand(Id);

/// <summary>Planned exchange of primary and secondary; no connection is lost. Refused unless protected.</summary>
public sealed record SwitchoverCommand(CommandId Id) : OperatorCommand(Id);

/// <summary>Take a checkpoint now.</summary>
public sealed record CheckpointCommand(CommandId Id) : OperatorCommand(Id);

/// <summary>Maintenance: no automatic change of roles until <see cref="ResumeProtectionCommand"/>.</summary>
public sealed record PauseProtectionCommand(CommandId Id) : OperatorCommand(Id);

public sealed record ResumeProtectionCommand(CommandId Id) : OperatorCommand(Id);

/// <summary>
/// Get this host out of the way: primary hands over, secondary leaves, and it does not join again until Protect.
/// </summary>
public sealed record DrainCommand(CommandId Id) : OperatorCommand(Id);

/// <summary>Boot a guest that is off, or create the VM on its first host.</summary>
public sealed record StartCommand(CommandId Id) : OperatorCommand(Id);

/// <summary>End the guest on both hosts at once (pull its plug).</summary>
public sealed record StopCommand(CommandId Id) : OperatorCommand(Id);

/// <summary>Change the replication mode of a running VM.</summary>
public sealed record SetModeCommand(CommandId Id, Checkpoint.ReplicationMode Mode) : OperatorCommand(Id);

/// <summary>
/// Other hosts may hold this VM from now on. A present member of the pair that is not among them stays until it is lost
/// or drained.
/// </summary>
public sealed record SetCandidatesCommand(CommandId Id, IReadOnlyList<HostId> Candidates) : OperatorCommand(Id);

/// <summary>The four ways in which a command ends; "unknown" is one of them.</summary>
public enum CommandResult
{
    Done = 1,

    /// <summary>Not done, nothing changed.</summary>
    Refused = 2,

    /// <summary>Not done; something may have changed, the text says what.</summary>
    Failed = 3,
}
