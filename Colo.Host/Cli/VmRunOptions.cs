using Colo.Vmm.Cpu;
using Colo.Vmm.Machine;

namespace Colo.Host.Cli;

/// <summary>The command line of <c>colo vm run</c>, as typed and checked, before anything is opened.</summary>
internal sealed record VmRunOptions
{
    public string? Guest { get; init; }

    public string? Kernel { get; init; }

    public string? Initrd { get; init; }

    public string? Append { get; init; }

    public required ulong MemoryBytes { get; init; }

    public required int HartCount { get; init; }

    public string? Bios { get; init; }

    public string? DeviceTree { get; init; }

    public IReadOnlyList<DiskOption> Disks { get; init; } = [];

    public IReadOnlyList<NicOption> Nics { get; init; } = [];

    /// <summary>Character devices and objects for the monitor's COLO, as typed.</summary>
    public IReadOnlyList<string> Chardevs { get; init; } = [];

    public IReadOnlyList<string> Objects { get; init; } = [];

    public required string Console { get; init; }

    public string? QmpPath { get; init; }

    public required ClockMode Clock { get; init; }

    public required CodeTierMode Tier { get; init; }

    public bool HartThreads { get; init; } = true;

    public string? Restore { get; init; }

    /// <summary>Where the machine's state will come from: an address, or defer.</summary>
    public string? Incoming { get; init; }

    /// <summary>The guest waits for cont.</summary>
    public bool Stopped { get; init; }

    public ulong? Seed { get; init; }
}
