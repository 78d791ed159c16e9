namespace Colo.Vmm.Machine;

internal readonly record struct LoopHartState(HartStatus Status, bool Waiting, ulong SbiTimer);
