using System.Buffers;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Memory;

namespace Colo.Benchmarks.Checkpoint;

/// <summary>A machine that is only RAM and a device state of a typical size.</summary>
internal sealed class BenchMachine : ICheckpointMachine, IDisposable
{
    // What a board with one hart, a disk and a network card saves is a few kilobytes.
    private const int DeviceBytes = 16 * 1024;

    public BenchMachine(int pages)
    {
        Ram = new GuestRam(0x8000_0000, (ulong)pages * GuestRam.PageSize);
    }

    public GuestRam Ram { get; }

    public void Dispose() => Ram.Dispose();

    public void Pause()
    {
    }

    public void Resume()
    {
    }

    public void SaveDevices(IBufferWriter<byte> destination)
    {
        destination.GetSpan(DeviceBytes)[..DeviceBytes].Clear();
        destination.Advance(DeviceBytes);
    }

    public string? RestoreDevices(ReadOnlySpan<byte> state) => null;
}
