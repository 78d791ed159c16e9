using System.Runtime.InteropServices;

namespace Colo.Vmm.Cpu.Decode;

/// <summary>What the code cache knows of one physical page; lives as long as the cache.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 8)]
internal unsafe struct CodePage
{
    public CodeBlock* First;

    /// <summary>Increased each time the page's code is dropped: what was compiled from an older content is
    /// refused.</summary>
    public int Generation;

    /// <summary>Drops in short order: a page that is used for one program after another starts anew each
    /// time.</summary>
    public int Drops;

    /// <summary>Number of the eviction that went through the page's blocks last.</summary>
    public int Eviction;

    /// <summary>Instructions retired by the hart at the last drop.</summary>
    public ulong LastDrop;

    /// <summary>A bit for each halfword that belongs to a decoded instruction.</summary>
    public fixed ulong Decoded[32];
}
