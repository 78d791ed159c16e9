namespace Colo.Vmm.Cpu;

/// <summary>Kinds of memory access, with the value of the matching R, W, X bit in a page table entry and in
/// pmpcfg.</summary>
internal enum AccessKind
{
    Read = 1,
    Write = 2,
    Fetch = 4,
}
