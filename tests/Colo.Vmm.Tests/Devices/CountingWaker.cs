using Colo.Vmm.Devices;

namespace Colo.Vmm.Tests.Devices;

internal sealed class CountingWaker : IMachineWaker
{
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public void Wake() => Interlocked.Increment(ref _count);
}
