using System.Buffers;
using Colo.Vmm.Machine;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint;

/// <summary>
/// The embedded machine as a checkpoint sees it. A machine that its operator has paused stays paused over a checkpoint;
/// a secondary that has never run starts with its first loaded state.
/// </summary>
public sealed class VirtCheckpointMachine(VirtMachine machine) : ICheckpointMachine
{
    private bool _standsForUs;

    /// <summary>Whether <see cref="Resume"/> also starts a machine that has not been started yet: the
    /// secondary's.</summary>
    public bool StartsOnResume { get; init; }

    public GuestRam Ram => machine.Ram;

    public void Pause()
    {
        _standsForUs |= machine.IsRunning;
        machine.Pause();
    }

    public void Resume()
    {
        if (!machine.IsStarted && StartsOnResume)
        {
            machine.Start();
        }
        else if (_standsForUs)
        {
            machine.Resume();
        }

        _standsForUs = false;
    }

    public void SaveDevices(IBufferWriter<byte> destination) => machine.SaveDevices(destination);

    public string? CheckDevices(ReadOnlySpan<byte> state) => machine.CheckDevices(state);

    public string? RestoreDevices(ReadOnlySpan<byte> state) => machine.RestoreDevices(state).Error;

    public void AdvanceClock(TimeSpan elapsed) => machine.AdvanceClock(elapsed);
}
