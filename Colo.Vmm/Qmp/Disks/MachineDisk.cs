using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Colo.Vmm.Block;
using Colo.Vmm.Qmp.Parts;
using Colo.Vmm.Qmp.Replication;

namespace Colo.Vmm.Qmp.Disks;

/// <summary>
/// A guest's disk as QEMU's COLO has it: a quorum of children with threshold 1, read first in, first out. The first
/// child is this host's own disk; others come and go at run time, the secondary's export among them. A change goes to
/// all of them, in one order for each sector, and succeeds when one has it; it is answered when all have answered.
/// <para>A child that lost a change is stale. QEMU hides that from the framework; here the machine goes into no more
/// checkpoints with it, so COLO breaks instead of ending on a secondary whose disk lacks something.</para>
/// </summary>
internal sealed class MachineDisk : IBlockDevice, IReplicationPart
{
    private static readonly TimeSpan EventSpacing = TimeSpan.FromSeconds(1);
    private readonly RangeLocks _ranges = new();
    private readonly Lock _gate = new();
    private readonly ReplicationHooks _hooks;
    private readonly TimeProvider _time;
    private readonly Action<string, JsonObject?> _raise;
    private readonly IDisposable _owned;
    private volatile DiskChild[] _children;
    private volatile MirrorJob? _job;
    private long _lastEvent;

    /// <param name="id">Name of the device, as the monitor's commands have it.</param>
    /// <param name="first">This host's disk.</param>
    /// <param name="owned">Disposed of with this.</param>
    /// <param name="hooks">COLO's steps.</param>
    /// <param name="time">Clock of the rate at which events are sent.</param>
    /// <param name="raise">Sends an event.</param>
    public MachineDisk(
        string id, DiskChild first, IDisposable owned, ReplicationHooks hooks, TimeProvider time,
        Action<string, JsonObject?> raise)
    {
        Id = id;
        _owned = owned;
        _hooks = hooks;
        _time = time;
        _raise = raise;
        _children = [first];
        SizeBytes = first.Device.SizeBytes;
        hooks.Add(this);
    }

    public string Id { get; }

    public long SizeBytes { get; }

    public bool IsReadOnly => _children[0].Device.IsReadOnly;

    public IReadOnlyList<DiskChild> Children => _children;

    /// <summary>The job that copies this disk; it hears of every change.</summary>
    public MirrorJob? Job
    {
        get => _job;
        set => _job = value;
    }

    /// <summary>Adds a child when no change is under way: from then on every change goes to it.</summary>
    /// <exception cref="QmpFailureException">Another size, or the node is a child already.</exception>
    public void AddChild(string nodeName, IBlockDevice device)
    {
        if (device.SizeBytes != SizeBytes)
        {
            throw new QmpFailureException(
                $"node '{nodeName}' has {device.SizeBytes} bytes, expected the {SizeBytes} of '{Id}'");
        }

        WhileQuiet(() =>
        {
            if (_children.Any(c => c.NodeName == nodeName))
            {
                throw new QmpFailureException($"The node {nodeName} is already a child of {Id}");
            }

            // QEMU's next index: after the last one.
            int next = _children.Max(c => int.Parse(c.Name["children.".Length..],
                System.Globalization.CultureInfo.InvariantCulture)) + 1;
            _children = [.. _children, new DiskChild($"children.{next}", nodeName, device)];
        });
    }

    public void RemoveChild(string name) => WhileQuiet(() =>
    {
        if (!_children.Any(c => c.Name == name))
        {
            throw new QmpFailureException(
                $"Node '{Id}' does not have child '{name}', expected one of "
                + string.Join(", ", _children.Select(c => c.Name)));
        }

        if (_children.Length == 1)
        {
            throw new QmpFailureException("The number of children cannot be lower than the vote threshold 1");
        }

        _children = [.. _children.Where(c => c.Name != name)];
    });

    string? IReplicationPart.Check() =>
        _children.Skip(1).FirstOrDefault(c => c.Failure is not null) is { } stale
            ? $"{Id}: {stale.Name} ({stale.NodeName}) lacks a change: {stale.Failure}"
            : null;

    public async ValueTask<BlockStatus> ReadAsync(
        long offset, Memory<byte> destination, CancellationToken cancellation = default)
    {
        BlockStatus status = BlockStatus.IoError;
        foreach (DiskChild child in _children)
        {
            status = await child.Device.ReadAsync(offset, destination, cancellation).ConfigureAwait(false);
            if (status is BlockStatus.Ok or BlockStatus.OutOfRange)
            {
                break;
            }

            Report("read", child, offset, destination.Length, status);
        }

        return status;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<BlockStatus> WriteAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess = false,
        CancellationToken cancellation = default)
    {
        if (Refuse(offset, source.Length) is { } refused)
        {
            return refused;
        }

        await _ranges.EnterAsync(offset, source.Length).ConfigureAwait(false);
        try
        {
            DiskChild[] children = _children;
            return children.Length == 1
                ? await children[0].Device.WriteAsync(offset, source, forceUnitAccess, cancellation)
                    .ConfigureAwait(false)
                : await WriteAllAsync(offset, source, forceUnitAccess, cancellation).ConfigureAwait(false);
        }
        finally
        {
            // Marked while the range is still held: a job that clears a mark after this has the new content to read.
            _job?.Mark(offset, source.Length);
            _ranges.Leave(offset, source.Length);
        }
    }

    public async ValueTask<BlockStatus> FlushAsync(CancellationToken cancellation = default) =>
        _children.Length == 1
            ? await _children[0].Device.FlushAsync(cancellation).ConfigureAwait(false)
            : await EachAsync("flush", 0, 0, d => d.FlushAsync(cancellation)).ConfigureAwait(false);

    public ValueTask<BlockStatus> WriteZeroesAsync(
        long offset, long length, bool mayUnmap, CancellationToken cancellation = default) =>
        ChangeAsync(offset, length, d => d.WriteZeroesAsync(offset, length, mayUnmap, cancellation));

    /// <summary>Children may differ in what a discarded sector reads as, and replicas must not: it becomes
    /// zeroes while there are several.</summary>
    public ValueTask<BlockStatus> DiscardAsync(
        long offset, long length, CancellationToken cancellation = default) =>
        _children.Length == 1 && _job is null
            ? _children[0].Device.DiscardAsync(offset, length, cancellation)
            : WriteZeroesAsync(offset, length, mayUnmap: true, cancellation);

    public void Dispose()
    {
        _hooks.Remove(this);
        _owned.Dispose();
    }

    private async ValueTask<BlockStatus> ChangeAsync(
        long offset, long length, Func<IBlockDevice, ValueTask<BlockStatus>> change)
    {
        if (Refuse(offset, length) is { } refused)
        {
            return refused;
        }

        await _ranges.EnterAsync(offset, length).ConfigureAwait(false);
        try
        {
            return await EachAsync("write", offset, length, change).ConfigureAwait(false);
        }
        finally
        {
            _job?.Mark(offset, length);
            _ranges.Leave(offset, length);
        }
    }

    private ValueTask<BlockStatus> WriteAllAsync(
        long offset, ReadOnlyMemory<byte> source, bool forceUnitAccess, CancellationToken cancellation) =>
        EachAsync("write", offset, source.Length,
            d => d.WriteAsync(offset, source, forceUnitAccess, cancellation));

    private async ValueTask<BlockStatus> EachAsync(
        string type, long offset, long length, Func<IBlockDevice, ValueTask<BlockStatus>> action)
    {
        DiskChild[] children = _children;
        // The far ones first: their answers come while this host's disk works.
        var far = new Task<BlockStatus>[children.Length];
        for (int i = children.Length - 1; i > 0; i--)
        {
            far[i] = action(children[i].Device).AsTask();
        }

        BlockStatus best = await action(children[0].Device).ConfigureAwait(false);
        if (best != BlockStatus.Ok)
        {
            Report(type, children[0], offset, length, best);
        }

        for (int i = 1; i < children.Length; i++)
        {
            BlockStatus status = await far[i].ConfigureAwait(false);
            if (status != BlockStatus.Ok)
            {
                Lost(children[i], type, offset, length, status);
            }
            else
            {
                best = BlockStatus.Ok;
            }
        }

        return best;
    }

    private void Lost(DiskChild child, string type, long offset, long length, BlockStatus status)
    {
        Report(type, child, offset, length, status);
        if (child.Fail($"{type} of {length} bytes at {offset}: {status}"))
        {
            _hooks.WantCheckpoint();
        }
    }

    private void Report(string type, DiskChild child, long offset, long length, BlockStatus status)
    {
        long now = _time.GetTimestamp();
        long last = Interlocked.Read(ref _lastEvent);
        if ((last != 0 && _time.GetElapsedTime(last, now) < EventSpacing)
            || Interlocked.CompareExchange(ref _lastEvent, now, last) != last)
        {
            return;
        }

        _raise("QUORUM_REPORT_BAD", new JsonObject
        {
            ["type"] = type,
            ["error"] = status.ToString(),
            ["node-name"] = child.NodeName,
            ["sector-num"] = offset / BlockRange.SectorSize,
            ["sectors-count"] = length / BlockRange.SectorSize,
        });
    }

    private BlockStatus? Refuse(long offset, long length) =>
        IsReadOnly ? BlockStatus.ReadOnly
        : !BlockRange.IsValid(offset, length, SizeBytes) ? BlockStatus.OutOfRange
        : length == 0 ? BlockStatus.Ok
        : null;

    /// <summary>Does something while no change is under way; those that come meanwhile wait.</summary>
    private void WhileQuiet(Action action)
    {
        _ranges.EnterAsync(0, SizeBytes).AsTask().GetAwaiter().GetResult();
        try
        {
            lock (_gate)
            {
                action();
            }
        }
        finally
        {
            _ranges.Leave(0, SizeBytes);
        }
    }
}
