using Colo.Vmm.Cpu.Decode;

namespace Colo.Vmm.Cpu;

/// <summary>
/// A tier above the block interpreter. All members are called on the hart's thread, between blocks. The hart runs a
/// block's <see cref="CodeBlock.Region"/> through <see cref="Enter"/> instead of its records when it is not 0.
/// </summary>
internal unsafe interface ICodeTier
{
    /// <summary>
    /// A block's heat has run out. The tier may install a region now or later (by setting Region of blocks found
    /// through the code cache), and sets Heat to the executions to wait before it is asked again.
    /// </summary>
    void BlockIsHot(CodeBlock* block);

    /// <summary>Whether regions are waiting to be installed; polled at block boundaries with the pending
    /// word.</summary>
    void InstallFinished();

    /// <summary>
    /// Runs the block's region, and those that it leads to, until one leaves. On return the pc is exact,
    /// <see cref="HartContext.Remaining"/> is reduced by what was retired, and <see cref="HartContext.ExitOp"/> is
    /// null; the instruction at pc may need the interpreter. False when nothing was retired: the interpreter has to do
    /// this block.
    /// </summary>
    bool Enter(CodeBlock* block, HartContext* context);

    /// <summary>A block was decoded: if a region can be entered there, its Region is set.</summary>
    void BlockDecoded(CodeBlock* block);

    /// <summary>A page's blocks are gone; regions made of them must not be entered again.</summary>
    void PageDropped(int page);
}
