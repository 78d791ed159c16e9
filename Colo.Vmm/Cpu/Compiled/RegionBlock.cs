namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// Straight-line instructions that are entered at the first only. <see cref="End"/> is where execution goes on when
/// the last one does not jump: the next block, or an instruction that the interpreter must do.
/// </summary>
internal sealed record RegionBlock(int Offset, RegionInstruction[] Instructions, int End);
