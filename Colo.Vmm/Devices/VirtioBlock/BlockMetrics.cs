namespace Colo.Vmm.Devices.VirtioBlock;

/// <summary>Counters of a disk since power-on of the host process.</summary>
internal sealed class BlockMetrics
{
    public long Reads { get; set; }

    public long Writes { get; set; }

    public long Flushes { get; set; }

    public long BytesRead { get; set; }

    public long BytesWritten { get; set; }

    /// <summary>Requests that ended with an error status.</summary>
    public long Errors { get; set; }
}
