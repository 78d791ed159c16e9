namespace Colo.Vmm.Cpu.Compiled;

/// <summary>Why compiled code was left; stored in <see cref="HartContext.RegionExit"/> by the region itself.</summary>
internal enum RegionExit
{
    /// <summary>A direct jump out of the page.</summary>
    Jump = 0,

    /// <summary>A jump through a register that does not lead to one of the region's own call sites.</summary>
    Indirect = 1,

    /// <summary>Code of the page that is not in the region: not executed when it was compiled, or not
    /// compilable.</summary>
    Uncompiled = 2,

    /// <summary>The TLB did not match: a miss, a device, the first store to a clean page, a fault, a crossed
    /// page.</summary>
    Memory = 3,

    /// <summary>Accesses that share one probe lie on both sides of a page's end.</summary>
    Straddle = 4,

    /// <summary>Floating point outside of what the host does exactly, or with FPU state that the region is not
    /// for.</summary>
    Float = 5,

    /// <summary>Something is pending, the budget ends, or a CSR instruction is one for the interpreter.</summary>
    Attention = 6,
}
