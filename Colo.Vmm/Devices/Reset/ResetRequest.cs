namespace Colo.Vmm.Devices.Reset;

/// <summary>What the guest asked for; <c>ExitCode</c> is 0 unless the guest reports a failure.</summary>
internal readonly record struct ResetRequest(ResetKind Kind, int ExitCode);
