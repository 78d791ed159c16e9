namespace Colo.Vmm.Cpu;

/// <summary>CSR numbers (privileged specification, chapter "CSR Listing").</summary>
internal static class Csr
{
    public const int Fflags = 0x001;
    public const int Frm = 0x002;
    public const int Fcsr = 0x003;
    public const int Sstatus = 0x100;
    public const int Sie = 0x104;
    public const int Stvec = 0x105;
    public const int Scounteren = 0x106;
    public const int Senvcfg = 0x10a;
    public const int Sscratch = 0x140;
    public const int Sepc = 0x141;
    public const int Scause = 0x142;
    public const int Stval = 0x143;
    public const int Sip = 0x144;
    public const int Stimecmp = 0x14d;
    public const int Satp = 0x180;
    public const int Mstatus = 0x300;
    public const int Misa = 0x301;
    public const int Medeleg = 0x302;
    public const int Mideleg = 0x303;
    public const int Mie = 0x304;
    public const int Mtvec = 0x305;
    public const int Mcounteren = 0x306;
    public const int Menvcfg = 0x30a;
    public const int Mcountinhibit = 0x320;
    public const int MhpmEventFirst = 0x323;
    public const int MhpmEventLast = 0x33f;
    public const int Mscratch = 0x340;
    public const int Mepc = 0x341;
    public const int Mcause = 0x342;
    public const int Mtval = 0x343;
    public const int Mip = 0x344;
    public const int PmpConfigFirst = 0x3a0;
    public const int PmpAddressFirst = 0x3b0;
    public const int Tselect = 0x7a0;
    public const int Tdata1 = 0x7a1;
    public const int Tdata3 = 0x7a3;
    public const int Mcycle = 0xb00;
    public const int Minstret = 0xb02;
    public const int MhpmCounterFirst = 0xb03;
    public const int MhpmCounterLast = 0xb1f;
    public const int Cycle = 0xc00;
    public const int Time = 0xc01;
    public const int Instret = 0xc02;
    public const int HpmCounterFirst = 0xc03;
    public const int HpmCounterLast = 0xc1f;
    public const int Mvendorid = 0xf11;
    public const int Marchid = 0xf12;
    public const int Mimpid = 0xf13;
    public const int Mhartid = 0xf14;
    public const int Mconfigptr = 0xf15;
}
