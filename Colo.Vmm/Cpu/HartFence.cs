namespace Colo.Vmm.Cpu;

/// <summary>What one hart asks another to forget, see <see cref="Hart.RequestFence"/>.</summary>
[Flags]
internal enum HartFence
{
    /// <summary>All translations: a remote sfence.vma.</summary>
    Translations = 1,

    /// <summary>Code that has been overwritten: a remote fence.i.</summary>
    Code = 2,

    /// <summary>Permissions to write without asking: a page is about to be decoded by another hart.</summary>
    Writes = 4,
}
