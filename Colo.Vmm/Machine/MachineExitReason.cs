namespace Colo.Vmm.Machine;

public enum MachineExitReason
{
    /// <summary>The guest powered off.</summary>
    GuestShutdown = 1,

    /// <summary>The guest powered off and reported a failure.</summary>
    GuestFailure = 2,

    /// <summary>A bare program ended by HTIF; the code is its result.</summary>
    ProgramExit = 3,

    /// <summary>Ended from outside: quit of the monitor, disposal.</summary>
    HostRequest = 4,
}
