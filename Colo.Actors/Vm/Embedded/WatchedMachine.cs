using System.Buffers;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Memory;

namespace Colo.Actors.Vm.Embedded;

/// <summary>Hears of the pauses that checkpoints make.</summary>
internal interface ICheckpointMachineWatcher
{
    void Pausing();

    void Resumed();
}

/// <summary>The primary's guest machine: its pauses are captures', and are watched, so that the pause that clients feel
/// can be measured.</summary>
internal sealed class WatchedMachine(GuestMachine guest, ICheckpointMachineWatcher watcher) : ICheckpointMachine
{
    public GuestRam Ram => guest.Ram;

    public void Pause()
    {
        watcher.Pausing();
        guest.PauseForCapture();
    }

    public void Resume()
    {
        guest.Resume();
        watcher.Resumed();
    }

    public void SaveDevices(IBufferWriter<byte> destination) => guest.SaveDevices(destination);

    public string? RestoreDevices(ReadOnlySpan<byte> state) => guest.RestoreDevices(state);

    // Not a pause that clients feel, and none that the guest should know of.
    public DirtyPages CollectDirty() => guest.CollectDirty();
}
