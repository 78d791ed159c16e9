using System.Buffers;
using Colo.Vmm.Checkpoint;
using Colo.Vmm.Machine;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Qmp.Replication;

/// <summary>The secondary's machine over its checkpoints: as any replica, with the parts around it.</summary>
internal sealed class ReplicaMachine(VirtMachine machine, ReplicationHooks parts) : ICheckpointMachine
{
    private readonly VirtCheckpointMachine _inner = new(machine) { StartsOnResume = true };

    public GuestRam Ram => _inner.Ram;

    public void Pause() => _inner.Pause();

    public void Resume()
    {
        // A filter may hand frames on as soon as the guest can take them.
        _inner.Resume();
        parts.All(part => part.Resuming());
    }

    public void SaveDevices(IBufferWriter<byte> destination) =>
        PartsState.Save(parts, _inner.SaveDevices, destination);

    public string? CheckDevices(ReadOnlySpan<byte> state) =>
        PartsState.TryReadMachine(ref state, out ReadOnlySpan<byte> own) ?? _inner.CheckDevices(own);

    public string? RestoreDevices(ReadOnlySpan<byte> state) =>
        PartsState.TryReadMachine(ref state, out ReadOnlySpan<byte> own) is { } error ? error
            : _inner.RestoreDevices(own) ?? PartsState.Restore(parts, state);

    public void AdvanceClock(TimeSpan elapsed) => _inner.AdvanceClock(elapsed);
}
