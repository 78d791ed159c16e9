namespace Colo.Vmm.Devices.VirtioRng;

/// <summary>Where the guest's random bytes come from.</summary>
internal interface IEntropySource
{
    /// <summary>Position in a reproducible sequence; constant when the source has none. Part of the machine's
    /// state.</summary>
    ulong Position { get; set; }

    void Fill(Span<byte> destination);
}
