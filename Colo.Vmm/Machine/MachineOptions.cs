using Colo.Vmm.Cpu;
using Colo.Vmm.Devices.Uart;

namespace Colo.Vmm.Machine;

/// <summary>Everything that a machine is built from. The machine disposes of disks, back ends and consoles given
/// here.</summary>
public sealed record MachineOptions
{
    public const int HartCountMax = 8;
    public const ulong MemoryMin = 16ul << 20;
    public const ulong MemoryMax = 64ul << 30;

    /// <summary>Size of guest RAM in bytes, a multiple of 2 MiB; default 256 MiB.</summary>
    public ulong MemoryBytes { get; init; } = 256ul << 20;

    /// <summary>Number of harts, 1 to 8.</summary>
    public int HartCount { get; init; } = 1;

    /// <summary>
    /// Whether each hart runs on a thread of its own when there are several; default true. By instruction count they
    /// run in turn on one thread whatever this says, so that two runs give the same trace.
    /// </summary>
    public bool HartThreads { get; init; } = true;

    internal bool UsesHartThreads => HartThreads && HartCount > 1 && Clock == ClockMode.RealTime;

    /// <summary>Linux Image, gzip of one, or ELF. Null only for a machine that will be restored.</summary>
    public string? KernelPath { get; init; }

    public string? InitrdPath { get; init; }

    /// <summary>Kernel command line.</summary>
    public string CommandLine { get; init; } = "";

    public FirmwareKind Firmware { get; init; } = FirmwareKind.BuiltIn;

    /// <summary>File for <see cref="FirmwareKind.File"/>.</summary>
    public string? FirmwarePath { get; init; }

    /// <summary>A device tree blob in place of the generated one; null: generated.</summary>
    public string? DeviceTreePath { get; init; }

    public IReadOnlyList<DiskOptions> Disks { get; init; } = [];

    public IReadOnlyList<NicOptions> Nics { get; init; } = [];

    /// <summary>Other end of the 16550; null: output is dropped.</summary>
    public IConsoleBackend? Console { get; init; }

    /// <summary>Other end of a virtio console; null: no such device.</summary>
    public IConsoleBackend? VirtioConsole { get; init; }

    /// <summary>Whether there is a virtio entropy device.</summary>
    public bool Entropy { get; init; } = true;

    /// <summary>Whether there is a power button, a virtio input device; left out when no slot is free for it.</summary>
    public bool PowerButton { get; init; } = true;

    /// <summary>Seed of all randomness that the machine gives to the guest; null: the host's. Set for reproducible
    /// runs.</summary>
    public ulong? Seed { get; init; }

    public ClockMode Clock { get; init; } = ClockMode.RealTime;

    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    public HartOptions Hart { get; init; } = HartOptions.Default;

    /// <summary>All that is wrong with these options; empty when a machine can be built.</summary>
    public IReadOnlyList<string> Validate()
    {
        var errors = new List<string>();
        if (MemoryBytes is < MemoryMin or > MemoryMax || MemoryBytes % (2 << 20) != 0)
        {
            errors.Add($"memory is {MemoryBytes} bytes, expected a multiple of 2 MiB from 16 MiB to 64 GiB");
        }

        if (HartCount is < 1 or > HartCountMax)
        {
            errors.Add($"smp is {HartCount}, expected 1 to {HartCountMax}");
        }

        int devices = Disks.Count + Nics.Count + (Entropy ? 1 : 0) + (VirtioConsole is null ? 0 : 1);
        if (devices > MemoryMap.VirtioSlotCount)
        {
            errors.Add($"{devices} virtio devices, expected at most {MemoryMap.VirtioSlotCount}");
        }

        if (Firmware == FirmwareKind.File && FirmwarePath is null)
        {
            errors.Add("bios is a file, but no path is given");
        }

        foreach (NicOptions nic in Nics)
        {
            if (nic.MacAddress.Length != 6 || (nic.MacAddress[0] & 1) != 0)
            {
                errors.Add($"mac is {Convert.ToHexString(nic.MacAddress)}, expected six bytes of a unicast address");
            }

            if (nic.Mtu is < 68 or > 65535)
            {
                errors.Add($"mtu is {nic.Mtu}, expected 68 to 65535");
            }
        }

        return errors;
    }
}
