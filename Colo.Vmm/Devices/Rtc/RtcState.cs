namespace Colo.Vmm.Devices.Rtc;

/// <summary>Registers of the clock. Its time belongs to the machine's clock and is saved there.</summary>
internal sealed record RtcState(
    uint TimeHigh, ulong AlarmNanoseconds, bool AlarmRunning, bool InterruptEnabled, bool InterruptPending, long OffsetNanoseconds,
    uint AlarmHigh)
    : DeviceState;
