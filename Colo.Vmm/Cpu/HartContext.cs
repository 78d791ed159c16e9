using System.Runtime.InteropServices;
using Colo.Vmm.Cpu.Decode;

namespace Colo.Vmm.Cpu;

/// <summary>
/// The hart's hot state, unmanaged and at a fixed address: the one pointer that handlers and compiled code get. What
/// they touch comes first; registers that only the slow paths use are in <see cref="Cold"/>; the TLB arrays follow
/// behind the structure (see <see cref="Mmu"/>).
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
internal unsafe struct HartContext
{
    /// <summary>Written by whoever wants the hart's attention, see <see cref="Pending"/>.</summary>
    public const int PendingInterrupt = 1;
    public const int PendingStop = 2;
    public const int PendingTimer = 4;
    public const int PendingCode = 8;
    public const int PendingFence = 16;

    /// <summary>Index of <see cref="Sink"/> when taken as a register: the target of writes to x0.</summary>
    public const int SinkRegister = 32;

    public fixed ulong X[32];

    /// <summary>X[32]; must follow X.</summary>
    public ulong Sink;

    /// <summary>Address of the current block's first instruction, of the next instruction between blocks.</summary>
    public ulong Pc;

    /// <summary>Tested at every block boundary; set by any thread with a locked operation. Zero in the normal
    /// case.</summary>
    public int Pending;

    /// <summary>mstatus.FS: 0 is off, 3 is dirty.</summary>
    public uint Fs;

    /// <summary>fflags.</summary>
    public uint Fflags;

    /// <summary>frm; values above 4 are reserved and make dynamic rounding illegal.</summary>
    public uint Frm;

    /// <summary>Read and write arrays for data accesses in the present mode.</summary>
    public TlbEntry* ReadTlb;
    public TlbEntry* WriteTlb;

    /// <summary>The record that could not go on by itself; null when the block ended normally.</summary>
    public Op* ExitOp;

    /// <summary>The link to fill in when the next block is in the same page; null when there is none.</summary>
    public CodeBlock** LinkSlot;

    public fixed ulong F[32];

    /// <summary>Instructions left of the budget, as of the last exact point.</summary>
    public long Remaining;

    /// <summary><see cref="InstructionsRetired"/> + <see cref="Remaining"/>: constant while running.</summary>
    public ulong RetiredLimit;

    /// <summary>
    /// Combined with the pc by exclusive or, the key of the jump cache: bit 0 for S, bit 62 for M, where no canonical
    /// address and no physical one has the other bit 62, and in bits 48 to 61 a number that changes when the cache is
    /// to forget (<see cref="Mmu.RenewKeys"/>).
    /// </summary>
    public ulong ModeKey;

    public PrivilegeMode Privilege;

    /// <summary>1 while the hart executes, so that a fence asked of it takes effect at once only if it
    /// answers.</summary>
    public int Running;

    /// <summary>Fences asked for by other harts (<see cref="HartFence"/>), their number, and the number of the last one
    /// done.</summary>
    public int FenceKinds;
    public int FencesAsked;
    public int FencesDone;

    /// <summary>Why compiled code was left last: a <see cref="Compiled.RegionExit"/>.</summary>
    public int RegionExit;

    /// <summary>Number of the region that was left last for <see cref="Compiled.RegionExit.Straddle"/>.</summary>
    public int StraddleRegion;

    /// <summary>The jump cache, for compiled code that goes on in another region.</summary>
    public JumpEntry* Jumps;

    /// <summary>Times that compiled code went on in another region by itself.</summary>
    public long Chained;

    /// <summary>Registers off the hot path. X, F, Pc and the other fields above are not kept here.</summary>
    public HartState Cold;

    public readonly ulong InstructionsRetired => RetiredLimit - (ulong)Remaining;
}
