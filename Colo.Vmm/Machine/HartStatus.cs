namespace Colo.Vmm.Machine;

/// <summary>State of a hart in the SBI's hart state management (SBI 2.0, section 9); the numbers are the
/// specification's.</summary>
internal enum HartStatus
{
    Started = 0,
    Stopped = 1,
    StartPending = 2,
    StopPending = 3,
    Suspended = 4,
}
