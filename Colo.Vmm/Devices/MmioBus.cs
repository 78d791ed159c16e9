using Colo.Vmm.Cpu;

namespace Colo.Vmm.Devices;

/// <summary>
/// Everything in guest-physical space that is not RAM. Regions are page-aligned or at least disjoint; the last one that
/// was hit is tried first, because a driver talks to one device at a time.
/// </summary>
/// <param name="deviceLock">Taken around every access: harts on threads of their own share the devices.</param>
internal sealed class MmioBus(Lock deviceLock) : ISystemBus
{
    private Region[] _regions = [];
    private Region _last = new(0, 0, null!);

    /// <summary>Accesses that hit no device, for the trace of a guest that goes astray.</summary>
    public long UnmappedAccesses { get; private set; }

    public void Add(ulong baseAddress, ulong sizeBytes, IMmioDevice device) =>
        _regions = [.. _regions.Append(new Region(baseAddress, sizeBytes, device)).OrderBy(r => r.Base)];

    public bool TryRead(ulong address, int size, out ulong value)
    {
        lock (deviceLock)
        {
            if (!TryFind(address, size, out Region region))
            {
                value = 0;
                return false;
            }

            value = region.Device.Read(address - region.Base, size);
            return true;
        }
    }

    public bool TryWrite(ulong address, int size, ulong value)
    {
        lock (deviceLock)
        {
            if (!TryFind(address, size, out Region region))
            {
                return false;
            }

            region.Device.Write(address - region.Base, size, value);
            return true;
        }
    }

    private bool TryFind(ulong address, int size, out Region region)
    {
        region = _last;
        if (region.Contains(address, size))
        {
            return true;
        }

        foreach (Region candidate in _regions)
        {
            if (candidate.Contains(address, size))
            {
                _last = region = candidate;
                return true;
            }
        }

        UnmappedAccesses++;
        return false;
    }

    private readonly record struct Region(ulong Base, ulong Size, IMmioDevice Device)
    {
        public bool Contains(ulong address, int size) =>
            address - Base < Size && address - Base + (ulong)size <= Size;
    }
}
