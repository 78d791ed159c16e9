namespace Colo.Vmm.Cpu.Compiled;

/// <summary>
/// Straight-line instructions that are entered at the first only. <see cref="End"/> is where execution goes on when
/// the last one does not jump: the next block, or an instruction that the interpreter must do.
/// </summary>
/// <param name="Executions">How often it was executed before it was compiled, as far as is known: what counts is how
/// the blocks of a region compare.</param>
internal sealed record RegionBlock(int Offset, RegionInstruction[] Instructions, int End, int Executions)
{
    public bool EndsWithJump => Instructions[^1].IsJump;
}
