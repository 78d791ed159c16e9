namespace Colo.Vmm.Cpu;

/// <summary>Exception codes of mcause and scause (privileged specification, table "mcause values after
/// trap").</summary>
internal static class TrapCause
{
    public const ulong InstructionMisaligned = 0;
    public const ulong InstructionAccess = 1;
    public const ulong IllegalInstruction = 2;
    public const ulong Breakpoint = 3;
    public const ulong LoadMisaligned = 4;
    public const ulong LoadAccess = 5;
    public const ulong StoreMisaligned = 6;
    public const ulong StoreAccess = 7;
    public const ulong EcallFromUser = 8;
    public const ulong EcallFromSupervisor = 9;
    public const ulong EcallFromMachine = 11;
    public const ulong InstructionPage = 12;
    public const ulong LoadPage = 13;
    public const ulong StorePage = 15;
    public const ulong InterruptFlag = 1UL << 63;

    public static ulong Access(AccessKind kind) => kind switch
    {
        AccessKind.Read => LoadAccess,
        AccessKind.Write => StoreAccess,
        _ => InstructionAccess,
    };

    public static ulong Page(AccessKind kind) => kind switch
    {
        AccessKind.Read => LoadPage,
        AccessKind.Write => StorePage,
        _ => InstructionPage,
    };
}
