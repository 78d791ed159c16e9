namespace Colo.Vmm.Cpu.Compiled;

/// <summary>What the compiling tier has done; written by the hart's thread, read by anyone.</summary>
internal sealed class RegionCounters
{
    public long Compiled { get; set; }

    public long InstructionsCompiled { get; set; }

    /// <summary>Regions dropped because their page's code changed.</summary>
    public long Dropped { get; set; }

    /// <summary>Regions dropped to make room.</summary>
    public long Evicted { get; set; }

    /// <summary>Results that came too late: the page had changed.</summary>
    public long Refused { get; set; }

    /// <summary>Results that another hart had compiled already.</summary>
    public long Shared { get; set; }

    /// <summary>Wishes dropped because a region made after them holds the block.</summary>
    public long Covered { get; set; }

    public long Entered { get; set; }

    /// <summary>Instructions retired inside regions.</summary>
    public long InstructionsRetired { get; set; }

    /// <summary>Regions that were dropped with their page and came back.</summary>
    public long Regained { get; set; }

    /// <summary>Times that a region went on in another one by itself.</summary>
    public long Chained { get; set; }

    /// <summary>Times that compiled code was left, by <see cref="RegionExit"/>.</summary>
    public long[] Exits { get; } = new long[8];

    /// <summary>Estimate from one timed entry in many, in ticks of the stopwatch.</summary>
    public long CompiledTicks { get; set; }
}
