namespace Colo.Vmm.Machine;

/// <summary>Where the loader has put things: what the harts and the device tree must be told.</summary>
internal sealed record LoadedGuest
{
    /// <summary>Where the first hart starts.</summary>
    public ulong Entry { get; init; }

    /// <summary>Where firmware jumps to; equal to <see cref="Entry"/> without firmware file.</summary>
    public ulong KernelEntry { get; init; }

    public ulong DeviceTreeAddress { get; init; }

    /// <summary>Address of OpenSBI's fw_dynamic_info; 0 without firmware file.</summary>
    public ulong DynamicInfoAddress { get; init; }

    /// <summary>Address of the HTIF <c>tohost</c> word; null when the program has none.</summary>
    public ulong? HtifToHost { get; init; }

    /// <summary>Address of the HTIF <c>fromhost</c> word.</summary>
    public ulong? HtifFromHost { get; init; }
}
