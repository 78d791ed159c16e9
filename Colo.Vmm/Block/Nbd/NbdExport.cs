namespace Colo.Vmm.Block.Nbd;

/// <summary>A disk that a server offers.</summary>
/// <param name="Name">At most 4096 bytes of UTF-8; the empty name is the default export.</param>
/// <param name="Device">Stays with the caller; must outlive the server.</param>
/// <param name="Writable">False: changes are refused with EPERM.</param>
/// <param name="Description">For the list that a client may ask for.</param>
public sealed record NbdExport(string Name, IBlockDevice Device, bool Writable = true, string Description = "");
