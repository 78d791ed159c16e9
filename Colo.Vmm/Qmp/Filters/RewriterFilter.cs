using System.Buffers;
using Colo.Vmm.Net;
using Colo.Vmm.Qmp.Replication;

namespace Colo.Vmm.Qmp.Filters;

/// <summary>
/// QEMU's filter-rewriter over <see cref="SequenceRewriter"/>. It stays on through a takeover: connections that had
/// begun before keep their offsets until they end. When the machine is a primary afterwards, checkpoints carry these
/// offsets to the rewriter of the same netdev (QEMU's do not, and there such a connection is lost with the second
/// host).
/// </summary>
internal sealed class RewriterFilter : NetFilter, IReplicationPart
{
    private const int FrameSizeMax = StreamFraming.MaxPayloadBytes;
    private readonly SequenceRewriter _rewriter = new();
    private readonly TimeProvider _time;
    private readonly long _started;
    private readonly Lock _state = new();
    private readonly Lock _toGuest = new();
    private readonly Lock _fromGuest = new();
    private readonly byte[] _toGuestFrame = new byte[FrameSizeMax];
    private readonly byte[] _fromGuestFrame = new byte[FrameSizeMax];
    private byte[]? _restored;

    public RewriterFilter(FilterSettings settings, TimeProvider time)
        : base("filter-rewriter", settings)
    {
        _time = time;
        _started = time.GetTimestamp();
    }

    public override IReadOnlyDictionary<string, object> Properties
    {
        get
        {
            lock (_state)
            {
                return new Dictionary<string, object>(base.Properties)
                {
                    ["x-connections"] = (long)_rewriter.ConnectionCount,
                    ["x-rewritten"] = _rewriter.Rewritten,
                };
            }
        }
    }

    string IReplicationPart.StateName => $"filter-rewriter:{Chain.Id}";

    public override bool Take(ReadOnlySpan<byte> frame, FilterQueue direction)
    {
        if (frame.Length > FrameSizeMax)
        {
            return false;
        }

        bool toGuest = direction == FilterQueue.Tx;
        lock (toGuest ? _toGuest : _fromGuest)
        {
            Span<byte> copy = (toGuest ? _toGuestFrame : _fromGuestFrame).AsSpan(0, frame.Length);
            frame.CopyTo(copy);
            RewriteResult result;
            lock (_state)
            {
                TimeSpan now = _time.GetElapsedTime(_started);
                result = toGuest ? _rewriter.ToGuest(copy, now) : _rewriter.FromGuest(copy, now);
            }

            if (result == RewriteResult.Rewritten)
            {
                Chain.PassOn(this, copy, direction);
            }

            return result != RewriteResult.Unchanged;
        }
    }

    string? IReplicationPart.Start(ReplicationRole role)
    {
        lock (_state)
        {
            if (role == ReplicationRole.Secondary)
            {
                _rewriter.Demote();
            }
        }

        return null;
    }

    void IReplicationPart.Save(IBufferWriter<byte> target)
    {
        lock (_state)
        {
            _rewriter.Save(target);
        }
    }

    string? IReplicationPart.Restore(ReadOnlySpan<byte> state)
    {
        _restored = state.ToArray();
        return null;
    }

    string? IReplicationPart.Loaded(ulong epoch)
    {
        lock (_state)
        {
            byte[]? restored = _restored;
            _restored = null;
            if (restored is null)
            {
                _rewriter.CheckpointLoaded();
                return null;
            }

            return _rewriter.TryCheckpointLoaded(restored, _time.GetElapsedTime(_started))
                ? null
                : $"{Id}: the checkpoint has {restored.Length} bytes that are no table of offsets";
        }
    }

    public override string? FailedOver(ReplicationRole role)
    {
        lock (_state)
        {
            _rewriter.Promote();
        }

        return null;
    }
}
