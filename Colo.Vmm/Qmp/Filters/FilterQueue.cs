namespace Colo.Vmm.Qmp.Filters;

/// <summary>
/// Which frames a filter sees, in QEMU's words: tx is what the back end sends towards the guest, rx what the guest
/// sends.
/// </summary>
[Flags]
internal enum FilterQueue
{
    Tx = 1,
    Rx = 2,
    All = Tx | Rx,
}
