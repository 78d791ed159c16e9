namespace Colo.Vmm.Cpu.Interpret;

/// <summary>How a hart goes on after an instruction that its handler could not do.</summary>
internal enum SlowResult
{
    /// <summary>Done; goes on with the next record of the block.</summary>
    Next,

    /// <summary>Done, and pc is already where to go on; the block may not be resumed.</summary>
    Left,

    /// <summary>Not retired: a trap has been entered and pc is its handler.</summary>
    Trapped,

    /// <summary>Done, and the hart waits for an interrupt.</summary>
    Wait,
}
