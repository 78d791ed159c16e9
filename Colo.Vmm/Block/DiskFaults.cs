namespace Colo.Vmm.Block;

/// <summary>What the disks of one guest suffer in a drill. Any thread.</summary>
public sealed class DiskFaults
{
    private long latencyTicks;
    private volatile bool writesFail;
    private volatile bool readsFail;

    /// <summary>Reads fail with an I/O error.</summary>
    public bool ReadsFail
    {
        get => readsFail;
        set => readsFail = value;
    }

    /// <summary>Writes and flushes fail with an I/O error.</summary>
    public bool WritesFail
    {
        get => writesFail;
        set => writesFail = value;
    }

    /// <summary>Added to every request.</summary>
    public TimeSpan Latency
    {
        get => new(Interlocked.Read(ref latencyTicks));
        set => Interlocked.Exchange(ref latencyTicks, value.Ticks);
    }
}
