using System.Buffers;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Machine;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Qmp.Replication;

/// <summary>
/// The primary's machine over its checkpoints in QEMU's manner: between the capture and the secondary's answer it
/// stands, so that frames and disk writes, which QEMU's links carry without an epoch, cannot belong to two of them.
/// (The cluster's links carry epochs, and there the guest goes on at once.)
/// </summary>
internal sealed class StandingMachine(VirtMachine machine, ReplicationHooks parts) : ICheckpointMachine
{
    private bool _held;
    private bool _wasRunning;

    public GuestRam Ram => machine.Ram;

    /// <summary>From now on a resume waits for <see cref="Release"/>.</summary>
    public void Hold()
    {
        _held = true;
        _wasRunning = machine.IsRunning;
    }

    /// <summary>
    /// The checkpoint is over; the guest goes on if it ran before, and its time with that of the world.
    /// </summary>
    /// <param name="start">Also when it did not run before: COLO runs its guests, as QEMU's does.</param>
    public void Release(bool start = false)
    {
        _held = false;
        if (!_wasRunning && !start)
        {
            return;
        }

        bool wasRunning = _wasRunning;
        _wasRunning = false;
        if (!machine.IsStarted)
        {
            machine.Start();
        }
        else if (!machine.IsRunning && !machine.Completion.IsCompleted)
        {
            if (wasRunning)
            {
                machine.CatchUpClock();
            }

            machine.Resume();
        }
    }

    public void Pause() => machine.Pause();

    public void Resume()
    {
        if (!_held)
        {
            machine.Resume();
        }
    }

    public void SaveDevices(IBufferWriter<byte> destination) =>
        PartsState.Save(parts, machine.SaveDevices, destination);

    public string? RestoreDevices(ReadOnlySpan<byte> state) => machine.RestoreDevices(state).Error;

    /// <summary>A look at the dirty log; a stop of microseconds that is nobody's event.</summary>
    public DirtyPages CollectDirty() => machine.WhileStanding(() => machine.Ram.SwapDirty());
}
