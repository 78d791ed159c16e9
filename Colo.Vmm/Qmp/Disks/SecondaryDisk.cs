using Colo.Vmm.Block;
using Colo.Vmm.Qmp.Parts;
using Colo.Vmm.Qmp.Replication;

namespace Colo.Vmm.Qmp.Disks;

/// <summary>
/// QEMU's secondary chain (replication, active disk, hidden disk, secondary disk) over <see cref="DiskBuffer"/>: what
/// QEMU keeps in two overlays stands here in memory and one buffer file. The export takes the primary's writes, the
/// guest sees the disk as of the last checkpoint with its own writes.
/// <code>None -COLO begins-> Running -failover-> Failover (the guest runs, what is kept is merged) -> Done</code>
/// Both guests stand between a checkpoint's capture and its load, so the generation of an epoch is opened when the
/// checkpoint is chosen and the older one dropped when it is loaded.
/// </summary>
internal sealed class SecondaryDisk : IReplicationPart, IDisposable
{
    private const ulong Term = 1;
    private readonly string _id;
    private readonly DiskBuffer _buffer;
    private readonly ReplicationHooks _hooks;
    private ulong _closed;
    private Task _merging = Task.CompletedTask;

    /// <param name="id">For messages.</param>
    /// <param name="path">The disk, whose content is the primary's, or will be after a resync.</param>
    /// <param name="bufferPath">Takes what memory cannot; made when it is not there.</param>
    /// <param name="memoryBytes">How much is kept in memory; null: the buffer's default.</param>
    /// <param name="hooks">COLO's steps.</param>
    /// <exception cref="QmpFailureException">A file cannot be opened, or an interrupted merge not be
    /// completed.</exception>
    public SecondaryDisk(string id, string path, string bufferPath, long? memoryBytes, ReplicationHooks hooks)
    {
        _id = id;
        _hooks = hooks;
        OsFile? disk = null;
        OsFile? kept = null;
        try
        {
            disk = new OsFile(path);
            kept = new OsFile(bufferPath, FileMode.OpenOrCreate);
            if (DiskBufferRecovery.Inspect(kept) == DiskBufferState.Merging
                && DiskBufferRecovery.CompleteMerge(disk, kept) is var merged && merged != BlockStatus.Ok)
            {
                throw new IOException($"the merge that was interrupted cannot be completed: {merged}");
            }

            var options = new DiskBufferOptions { PressureReached = hooks.WantCheckpoint };
            _buffer = new DiskBuffer(disk, kept,
                memoryBytes is { } bytes ? options with { MemoryBytes = bytes } : options);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            disk?.Dispose();
            kept?.Dispose();
            throw new QmpFailureException($"disk '{id}': {e.Message}");
        }

        Device = new DiskBufferDevice(_buffer);
        Export = new SecondaryExport(_buffer, disk);
        hooks.Add(this);
    }

    /// <summary>What the guest sees.</summary>
    public IBlockDevice Device { get; }

    /// <summary>What the primary writes to.</summary>
    public IBlockDevice Export { get; }

    public DiskBufferStage Stage => _buffer.Stage;

    string? IReplicationPart.Start(ReplicationRole role)
    {
        if (role != ReplicationRole.Secondary)
        {
            return null;
        }

        BlockStatus status = _buffer.Start(Term, _closed);
        return status == BlockStatus.Ok ? null : $"{_id}: replication cannot start: {status}";
    }

    string? IReplicationPart.Closing(ulong epoch)
    {
        _closed = epoch;
        if (_buffer.Stage != DiskBufferStage.Running)
        {
            return null;
        }

        BlockStatus status = _buffer.Barrier(epoch);
        return status == BlockStatus.Ok ? null : $"{_id}: {Describe(status)}";
    }

    string? IReplicationPart.Loaded(ulong epoch)
    {
        if (_buffer.Stage != DiskBufferStage.Running)
        {
            return null;
        }

        BlockStatus status = _buffer.LoadedEpoch == epoch ? BlockStatus.Ok : _buffer.Checkpoint(epoch);
        return status == BlockStatus.Ok && _buffer.GetError() == DiskBufferError.None
            ? null
            : $"{_id}: {Describe(status)}";
    }

    /// <summary>The guest may run at once; what is kept is merged meanwhile.</summary>
    string? IReplicationPart.FailedOver(ReplicationRole role)
    {
        if (role != ReplicationRole.Secondary || _buffer.Stage != DiskBufferStage.Running)
        {
            return null;
        }

        BlockStatus status = _buffer.Failover(_buffer.LoadedEpoch);
        if (status == BlockStatus.Ok)
        {
            _merging = Task.Run(_buffer.Merge);
        }

        return status == BlockStatus.Ok ? null : $"{_id}: failover: {Describe(status)}";
    }

    public void Dispose()
    {
        _hooks.Remove(this);
        _merging.Wait();
        _buffer.Dispose();
    }

    private string Describe(BlockStatus status) => $"disk buffer: {status}, {_buffer.GetError()}";
}
