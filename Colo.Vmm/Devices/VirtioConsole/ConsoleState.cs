namespace Colo.Vmm.Devices.VirtioConsole;

/// <summary>The console has no state beside its queues.</summary>
internal sealed record ConsoleState : DeviceState;
