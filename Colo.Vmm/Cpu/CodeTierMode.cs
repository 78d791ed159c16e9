namespace Colo.Vmm.Cpu;

/// <summary>Which execution tiers a hart may use.</summary>
public enum CodeTierMode
{
    /// <summary>Decoded blocks, interpreted; nothing is compiled.</summary>
    Interpreter = 1,

    /// <summary>What was executed often enough (<see cref="HartOptions.CompileThresholdAtOnce"/>) is compiled on the
    /// hart's thread, which waits for it: slow to start.</summary>
    Compiled = 2,

    /// <summary>Interpreted at once, compiled in the background when hot.</summary>
    Auto = 3,
}
