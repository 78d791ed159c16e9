using Colo.Vmm.Checksums;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>Where the sender gets a page's bytes from.</summary>
internal interface IPageSource
{
    /// <summary>Copies the page and moves the checksum's register on behind it; false when there is nothing to send for
    /// it. Called once a page, any thread. <paramref name="upcoming"/> will probably be taken next, or is -1.</summary>
    bool TryTake(int page, Span<byte> destination, ref uint register, int upcoming);
}

/// <summary>Pages as they were at the capture, while the guest runs on.</summary>
internal sealed class CaptureSource : IPageSource
{
    public PageCapture? Capture { get; set; }

    public bool TryTake(int page, Span<byte> destination, ref uint register, int upcoming) =>
        Capture!.TryTake(page, destination, ref register, upcoming);
}

/// <summary>
/// Pages as they are now, for sending ahead. The guest may be writing to a page while it is read; such a write comes
/// after the last swap of the dirty log, so the page is dirty again and will be sent once more.
/// </summary>
internal sealed class LiveSource(GuestRam ram, PageLedger ledger) : IPageSource
{
    public bool TryTake(int page, Span<byte> destination, ref uint register, int upcoming)
    {
        ledger.Pending.Remove(page);
        register = PageCrc32C.Copy(
            register, ram.ReadPage(page), destination, upcoming < 0 ? default : ram.ReadPage(upcoming));
        return true;
    }
}
