using System.Reflection.Emit;

namespace Colo.Vmm.Cpu.Compiled;

/// <summary>Accesses that share the probe of the first of them.</summary>
internal sealed class ProbeGroup(int first, int low, int size)
{
    private int _high = low + size;

    /// <summary>Index in the block of the access that probes.</summary>
    public int First { get; } = first;

    /// <summary>Lowest offset from the base register.</summary>
    public int Low { get; private set; } = low;

    public int Span => _high - Low;

    public int Count { get; private set; } = 1;

    /// <summary>Whether the probe must find permission to write, which implies that to read.</summary>
    public bool Writes { get; set; }

    /// <summary>Host address of the byte at <see cref="Low"/>, once probed.</summary>
    public LocalBuilder? Host { get; set; }

    public bool TryAdd(int offset, int bytes, int spanMax)
    {
        int low = Math.Min(Low, offset);
        int high = Math.Max(_high, offset + bytes);
        if (high - low > spanMax)
        {
            return false;
        }

        Low = low;
        _high = high;
        Count++;
        return true;
    }
}
