namespace Colo.Vmm.Cpu;

/// <summary>Which execution tiers a hart may use.</summary>
public enum CodeTierMode
{
    /// <summary>Decoded blocks, interpreted; nothing is compiled.</summary>
    Interpreter = 1,

    /// <summary>Every block is compiled at its first backward heat check, on the hart's thread: slow to start, for
    /// tests.</summary>
    Compiled = 2,

    /// <summary>Interpreted at once, compiled in the background when hot.</summary>
    Auto = 3,
}
