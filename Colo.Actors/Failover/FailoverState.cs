namespace Colo.Actors.Failover;

/// <summary>What this host is for the VM, and what it waits for; design section 8.</summary>
public enum FailoverState
{
    /// <summary>Reading the arbiter's record.</summary>
    Starting = 1,

    /// <summary>Asking to own the VM from its disk (first start, or every memory is lost).</summary>
    ColdStarting,

    /// <summary>Owner by the record; the guest is being booted.</summary>
    Booting,

    /// <summary>No guest here; offers to join.</summary>
    Parked,

    /// <summary>Being filled by the owner; not in the set as far as known.</summary>
    JoinTarget,

    /// <summary>Complete, the owner is lost, and only the arbiter knows whether this host is in the set.</summary>
    JoinTargetLost,

    /// <summary>In the set; the SVM runs.</summary>
    Secondary,

    /// <summary>The primary is lost; asking for the term.</summary>
    SecondaryAsking,

    /// <summary>The primary is lost; waiting for the operator, or letting the other ask first.</summary>
    SecondaryHeld,

    /// <summary>The term is won; the checkpoint in flight is being finished or discarded.</summary>
    Promoting,

    /// <summary>The only owner.</summary>
    Solo,

    /// <summary>Owner; a joiner's disk and memory are being filled.</summary>
    SoloFilling,

    /// <summary>The joining checkpoint is taken; solo is given up.</summary>
    Joining,

    /// <summary>The joiner is complete; asking the arbiter for the pair.</summary>
    AskingPair,

    /// <summary>In the set; the PVM runs and this host releases.</summary>
    Primary,

    /// <summary>The secondary is lost; asking to be alone.</summary>
    PrimaryAsking,

    /// <summary>The secondary is lost; waiting for the operator, or letting the other ask first.</summary>
    PrimaryHeld,

    /// <summary>The checkpoint before an exchange of roles.</summary>
    SwitchoverOut,

    /// <summary>Both stand at one image; asking the arbiter to exchange the roles.</summary>
    SwitchoverAsking,

    /// <summary>The guest has ended; agreeing with the secondary, then with the arbiter.</summary>
    Ending,

    /// <summary>The guest is off; this host has its disk.</summary>
    Off,
}
