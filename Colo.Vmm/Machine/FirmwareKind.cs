namespace Colo.Vmm.Machine;

/// <summary>What runs in M-mode.</summary>
public enum FirmwareKind
{
    /// <summary>The SBI is part of the machine; the kernel starts in S-mode.</summary>
    BuiltIn = 1,

    /// <summary>A firmware file, for example OpenSBI's fw_dynamic or fw_jump, starts in M-mode and starts the
    /// kernel.</summary>
    File = 2,

    /// <summary>The kernel is an ELF program that starts in M-mode; exit codes by the HTIF convention.</summary>
    None = 3,
}
