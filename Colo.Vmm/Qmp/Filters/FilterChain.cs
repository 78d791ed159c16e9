using Colo.Vmm.Net;
using Colo.Vmm.Qmp.Parts;
using Colo.Vmm.Qmp.Replication;

namespace Colo.Vmm.Qmp.Filters;

/// <summary>
/// The filters between one card and its back end (QEMU's netdev). Frames towards the guest walk from head to tail, the
/// guest's own from tail to head. Without filters it is a wire. Filters come and go while frames walk: a walk keeps
/// the list that it began with.
/// <para>Unlike QEMU's: while the machine is COLO's secondary nothing passes between the back end and the guest but
/// through its filters, so a lost link to the comparer cannot let the secondary answer its own network; and after a
/// takeover the guest's addresses are announced.</para>
/// </summary>
internal sealed class FilterChain : INetworkBackend, IReplicationPart
{
    private readonly INetworkBackend? _backend;
    private readonly byte[] _mac;
    private readonly ReplicationHooks _hooks;
    private readonly Lock _change = new();
    private readonly Lock _sending = new();
    private readonly Lock _learning = new();
    private readonly Announcer _announcer = new();
    private volatile NetFilter[] _filters = [];
    private volatile FrameHandler? _guest;
    private long _kept;

    /// <param name="id">Name of the netdev.</param>
    /// <param name="mac">The card's address, for announcements.</param>
    /// <param name="backend">Disposed of with this; null: nothing is there.</param>
    /// <param name="hooks">COLO's steps.</param>
    public FilterChain(string id, byte[] mac, INetworkBackend? backend, ReplicationHooks hooks)
    {
        Id = id;
        _mac = mac;
        _backend = backend;
        _hooks = hooks;
        hooks.Add(this);
        if (backend is not null)
        {
            backend.Received = FromBackend;
        }
    }

    public string Id { get; }

    /// <summary>Frames that a secondary's chain let neither in nor out.</summary>
    public long KeptFrames => Interlocked.Read(ref _kept);

    public FrameHandler? Received
    {
        set => _guest = value;
    }

    public void Flush() => _backend?.Flush();

    /// <summary>A frame of the guest.</summary>
    public void Send(ReadOnlySpan<byte> frame)
    {
        lock (_learning)
        {
            _announcer.Learn(frame);
        }

        NetFilter[] filters = _filters;
        Walk(filters, filters.Length - 1, frame, FilterQueue.Rx);
    }

    /// <summary>Puts a frame back behind the filter that took or received it.</summary>
    public void PassOn(NetFilter filter, ReadOnlySpan<byte> frame, FilterQueue direction)
    {
        NetFilter[] filters = _filters;
        int at = Array.IndexOf(filters, filter);
        if (at >= 0)
        {
            Walk(filters, direction == FilterQueue.Tx ? at + 1 : at - 1, frame, direction);
        }
    }

    /// <summary>At QEMU's position (head, tail, id=ID) and side (before, behind) of it.</summary>
    /// <exception cref="QmpFailureException">There is no such filter.</exception>
    public void Insert(NetFilter filter, string position, bool before)
    {
        lock (_change)
        {
            List<NetFilter> filters = [.. _filters];
            int at = position switch
            {
                "head" => 0,
                "tail" => filters.Count,
                _ when position.StartsWith("id=", StringComparison.Ordinal) =>
                    filters.FindIndex(f => f.Id == position[3..]) is >= 0 and var found
                        ? before ? found : found + 1
                        : throw new QmpFailureException(
                            $"filter '{position[3..]}' not found at netdev '{Id}'"),
                _ => throw new QmpFailureException(
                    $"Parameter 'position' is '{position}', expected 'head', 'tail' or 'id=<id>'"),
            };
            filters.Insert(at, filter);
            _filters = [.. filters];
        }
    }

    public void Remove(NetFilter filter)
    {
        lock (_change)
        {
            _filters = [.. _filters.Where(f => f != filter)];
        }
    }

    string? IReplicationPart.FailedOver(ReplicationRole role)
    {
        if (role == ReplicationRole.Secondary)
        {
            lock (_learning)
            {
                _announcer.Announce(_mac, ToBackend);
            }
        }

        return null;
    }

    public void Dispose()
    {
        _hooks.Remove(this);
        _backend?.Dispose();
    }

    private void FromBackend(ReadOnlySpan<byte> frame)
    {
        if (_hooks.Role == ReplicationRole.Secondary)
        {
            // What the secondary's guest hears is what the primary's heard; the network floods to both.
            Interlocked.Increment(ref _kept);
            return;
        }

        Walk(_filters, 0, frame, FilterQueue.Tx);
    }

    private void Walk(NetFilter[] filters, int from, ReadOnlySpan<byte> frame, FilterQueue direction)
    {
        int step = direction == FilterQueue.Tx ? 1 : -1;
        for (int i = from; i >= 0 && i < filters.Length; i += step)
        {
            NetFilter filter = filters[i];
            if (filter.IsOn && (filter.Queue & direction) != 0 && filter.Take(frame, direction))
            {
                return;
            }
        }

        if (direction == FilterQueue.Tx)
        {
            _guest?.Invoke(frame);
        }
        else if (_hooks.Role != ReplicationRole.Secondary)
        {
            ToBackend(frame);
        }
        else
        {
            Interlocked.Increment(ref _kept);
        }
    }

    private void ToBackend(ReadOnlySpan<byte> frame)
    {
        // Back ends take frames from one thread at a time; here the guest's and a comparer's output meet.
        lock (_sending)
        {
            _backend?.Send(frame);
        }
    }
}
