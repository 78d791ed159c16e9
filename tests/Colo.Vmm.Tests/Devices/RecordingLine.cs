using Colo.Vmm.Devices;

namespace Colo.Vmm.Tests.Devices;

/// <summary>An interrupt wire that remembers its level and how often it rose.</summary>
internal sealed class RecordingLine : IInterruptLine
{
    public bool Level { get; private set; }

    public int Rises { get; private set; }

    public void Set(bool level)
    {
        Rises += level && !Level ? 1 : 0;
        Level = level;
    }
}
