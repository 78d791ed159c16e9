namespace Colo.Vmm.Cpu;

/// <summary>Choices fixed for the life of a hart.</summary>
public sealed record HartOptions
{
    public static HartOptions Default { get; } = new();

    /// <summary>Execution tiers; the default interprets at once and compiles what is hot.</summary>
    public CodeTierMode Tier { get; init; } = CodeTierMode.Auto;

    /// <summary>
    /// Executions of a block after which it is compiled in mode Auto. Below some hundreds compiling costs more than it
    /// saves, above some thousands the interpreter does too much of a boot; tests use small numbers.
    /// </summary>
    public int CompileThreshold { get; init; } = 2000;

    /// <summary>
    /// The same in mode Compiled, where the hart waits for the compiler. With 1 every block is compiled, and whatever
    /// it leads to, before it is executed: right for tests, minutes for a Linux kernel.
    /// </summary>
    public int CompileThresholdAtOnce { get; init; } = 1;

    /// <summary>
    /// Guest instructions in the compiled regions of a hart, each about 300 bytes of host code and tables; regions that
    /// were not used lately are evicted beyond it.
    /// </summary>
    public int CompiledInstructionsMax { get; init; } = 400_000;

    /// <summary>
    /// Bytes of decoded blocks that a hart keeps, at least 512 KiB; the oldest are given up beyond it. A boot of Debian
    /// decodes 17 MiB in all; with 24 MiB it takes the same processor time, with 4 MiB the interpreter alone takes
    /// 1.4 % more.
    /// </summary>
    public int DecodedBytesMax { get; init; } = 6 << 20;

    /// <summary>Offers stimecmp (Sstc), enabled through menvcfg.STCE, which resets to 1 when built-in firmware
    /// runs.</summary>
    public bool Sstc { get; init; } = true;

    /// <summary>Number of PMP entries, 0, 16 or 64 in hardware; 16 here, or 0 to leave the registers out.</summary>
    public int PmpEntryCount { get; init; } = 16;
}
