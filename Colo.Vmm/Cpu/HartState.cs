using System.Runtime.InteropServices;

namespace Colo.Vmm.Cpu;

/// <summary>
/// Every architectural bit of one hart, as a blittable value: copying it is a snapshot. TLB, decoded blocks and
/// compiled code are caches and not in it. Little-endian in memory on every supported host; the layout is frozen by a
/// test and changes only with <see cref="LayoutVersion"/>.
/// </summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
public unsafe struct HartState
{
    public const int LayoutVersion = 1;

    public fixed ulong X[32];
    public fixed ulong F[32];
    public ulong Pc;

    /// <summary>Instructions retired since reset of the hart: the clock of <c>--clock icount</c>.</summary>
    public ulong InstructionsRetired;

    public ulong Mstatus;
    public ulong Medeleg;
    public ulong Mideleg;
    public ulong Mie;

    /// <summary>Bits 0 to 15 as in mip; bit 41 is the external SEIP line (kept apart from the software-written bit
    /// 9).</summary>
    public ulong Mip;

    public ulong Mtvec;
    public ulong Mscratch;
    public ulong Mepc;
    public ulong Mcause;
    public ulong Mtval;
    public ulong Menvcfg;
    public ulong Stvec;
    public ulong Sscratch;
    public ulong Sepc;
    public ulong Scause;
    public ulong Stval;
    public ulong Satp;
    public ulong Senvcfg;
    public ulong Stimecmp;

    /// <summary>mcycle and minstret relative to <see cref="InstructionsRetired"/>, or their value while
    /// inhibited.</summary>
    public ulong CycleOffset;

    public ulong InstretOffset;
    public fixed ulong PmpAddress[16];
    public fixed byte PmpConfig[16];

    /// <summary>Physical address of the LR reservation, or all ones when there is none, and the value that LR
    /// read.</summary>
    public ulong ReservationAddress;

    public ulong ReservationValue;
    public uint Mcounteren;
    public uint Scounteren;
    public uint Mcountinhibit;

    /// <summary>fflags in bits 0 to 4.</summary>
    public uint Fflags;

    public uint Frm;

    /// <summary>Encoding of <see cref="PrivilegeMode"/>.</summary>
    public uint Privilege;

    /// <summary>1 while <see cref="HartStop.Halted"/>.</summary>
    public uint Halted;

    public uint Reserved;
}
