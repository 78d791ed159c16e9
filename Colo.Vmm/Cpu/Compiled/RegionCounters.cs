namespace Colo.Vmm.Cpu.Compiled;

/// <summary>What the compiling tier has done; written by the hart's thread, read by anyone.</summary>
internal sealed class RegionCounters
{
    public long Compiled { get; set; }

    public long InstructionsCompiled { get; set; }

    public long Dropped { get; set; }

    /// <summary>Results that came too late: the page had changed.</summary>
    public long Refused { get; set; }

    public long Entered { get; set; }

    /// <summary>Instructions retired inside regions.</summary>
    public long InstructionsRetired { get; set; }
}
