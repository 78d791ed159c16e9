using System.Buffers;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint;

/// <summary>
/// What a checkpoint needs of a machine. The device state is opaque here: harts, devices and clock in the machine's own
/// versioned format.
/// </summary>
public interface ICheckpointMachine
{
    GuestRam Ram { get; }

    /// <summary>
    /// Returns when every hart stands at an instruction boundary and no device writes to RAM. Pausing a machine that
    /// stands already changes nothing.
    /// </summary>
    void Pause();

    /// <summary>Lets the machine go on; does nothing when it runs or has been stopped for good.</summary>
    void Resume();

    /// <summary>Writes everything but RAM. Called while paused.</summary>
    void SaveDevices(IBufferWriter<byte> destination);

    /// <summary>
    /// Null when <see cref="RestoreDevices"/> would accept the state, else what is wrong with it. Called before a
    /// checkpoint is committed, while the machine's present state is still the truth; changes nothing.
    /// </summary>
    string? CheckDevices(ReadOnlySpan<byte> state) => null;

    /// <summary>Resets every device and loads the state. Called while paused; null, or what went wrong.</summary>
    string? RestoreDevices(ReadOnlySpan<byte> state);

    /// <summary>
    /// Moves guest time on by what has passed on the primary since the capture of the state just restored: two replicas
    /// whose clocks differ give different answers wherever the time stands in them. Called while paused.
    /// </summary>
    void AdvanceClock(TimeSpan elapsed)
    {
    }

    /// <summary>
    /// The pages written since the last collection or capture. The default pauses for as long as a swap of the dirty
    /// bitmap takes.
    /// </summary>
    DirtyPages CollectDirty()
    {
        Pause();
        try
        {
            return Ram.SwapDirty();
        }
        finally
        {
            Resume();
        }
    }
}
