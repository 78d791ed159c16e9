namespace Colo.Vmm.Net;

/// <summary>
/// Frame buffers in three sizes (ordinary Ethernet, jumbo, largest offloaded segment), bounded in total. Any thread
/// may rent and return. At the bound <see cref="TryRent"/> says no and the caller stops reading: the bound is the
/// back-pressure.
/// </summary>
public sealed class FramePool
{
    private static readonly int[] Sizes = [2048, 16384, StreamFraming.MaxPayloadBytes];
    private readonly Lock gate = new();
    private readonly Stack<PooledFrame>[] free = [new(256), new(16), new(16)];
    private readonly int[] outstanding = new int[Enum.GetValues<FrameOwner>().Length];
    private readonly long limitBytes;

    /// <summary>A pool that never has more than <paramref name="limitBytes"/> rented out.</summary>
    public FramePool(long limitBytes = 256L << 20) => this.limitBytes = limitBytes;

    /// <summary>Buffer bytes that are rented now.</summary>
    public long OutstandingBytes { get; private set; }

    public int OutstandingCount
    {
        get
        {
            lock (gate)
            {
                return outstanding.Sum();
            }
        }
    }

    /// <summary>A buffer of at least <paramref name="length"/> bytes; false at the pool's bound or above the
    /// largest frame.</summary>
    public bool TryRent(int length, FrameOwner owner, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out PooledFrame? frame)
    {
        frame = null;
        var sizeClass = length <= Sizes[0] ? 0 : length <= Sizes[1] ? 1 : 2;
        if (length < 0 || length > Sizes[2])
        {
            return false;
        }
        lock (gate)
        {
            if (OutstandingBytes + Sizes[sizeClass] > limitBytes)
            {
                return false;
            }
            OutstandingBytes += Sizes[sizeClass];
            outstanding[(int)owner]++;
            free[sizeClass].TryPop(out frame);
        }
        frame ??= new PooledFrame(this, GC.AllocateUninitializedArray<byte>(Sizes[sizeClass], pinned: true), sizeClass);
        frame.Begin(length, owner);
        return true;
    }

    /// <summary>Rents and copies.</summary>
    public bool TryCopy(
        ReadOnlySpan<byte> bytes, FrameOwner owner, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out PooledFrame? frame)
    {
        if (!TryRent(bytes.Length, owner, out frame))
        {
            return false;
        }
        bytes.CopyTo(frame.Bytes);
        return true;
    }

    /// <summary>One line for each owner that still holds buffers; empty when all are back.</summary>
    public string DescribeOutstanding()
    {
        lock (gate)
        {
            return string.Join(
                ", ",
                Enum.GetValues<FrameOwner>().Where(o => outstanding[(int)o] != 0).Select(o => $"{o}: {outstanding[(int)o]}"));
        }
    }

    internal void Return(PooledFrame frame)
    {
        lock (gate)
        {
            outstanding[(int)frame.Owner]--;
            OutstandingBytes -= frame.CapacityBytes;
            free[frame.SizeClass].Push(frame);
        }
    }

    internal void Moved(FrameOwner from, FrameOwner to)
    {
        if (from == to)
        {
            return;
        }
        lock (gate)
        {
            outstanding[(int)from]--;
            outstanding[(int)to]++;
        }
    }
}
