using System.Security.Cryptography;

namespace Colo.Vmm.Block;

/// <summary>
/// Makes a peer's disk equal while the guest runs: asks the peer for the SHA-256 of each dirty part, sends the
/// parts that differ, and clears their bits when the peer has them durably. The guest's own changes are forwarded
/// meanwhile, in one order with the parts, so one pass is enough. A full resync is a bitmap of ones. When the link
/// breaks, the bitmap is the place to go on from.
/// </summary>
public sealed class DiskResync(
    ForwardingDevice device, DirtyBitmap bitmap, DiskLinkSender link, DiskResyncOptions options)
{
    private readonly byte[] _hashes = new byte[DiskLinkReceiver.HashesMax * SHA256.HashSizeInBytes];
    private readonly byte[] _hash = new byte[SHA256.HashSizeInBytes];
    private readonly byte[] _part = GC.AllocateUninitializedArray<byte>(DirtyBitmap.Granularity, pinned: true);
    private readonly List<int> _settled = [];
    private long _compared;
    private long _sent;

    /// <summary>Runs to the end: Ok when nothing is dirty, PeerLost when the link broke, and then the device is Solo,
    /// else the local disk's error. The device must be attached to the link.</summary>
    public async Task<BlockStatus> RunAsync(CancellationToken cancellation = default)
    {
        var status = await PassAsync(cancellation).ConfigureAwait(false);
        if (link.IsLost)
        {
            device.Lose(link); // what was asked last may hear of it before the device does
        }

        return status;
    }

    private async Task<BlockStatus> PassAsync(CancellationToken cancellation)
    {
        var start = options.Time.GetTimestamp();
        var cursor = 0;
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            var first = bitmap.NextDirty(cursor);
            if (first < 0 || _settled.Count * (long)DirtyBitmap.Granularity >= options.FlushEveryBytes)
            {
                if (!await SettleAsync().ConfigureAwait(false))
                {
                    return BlockStatus.PeerLost;
                }

                if (first < 0)
                {
                    return bitmap.NextDirty(0) < 0 ? BlockStatus.Ok : BlockStatus.PeerLost;
                }
            }

            var count = 1;
            while (count < DiskLinkReceiver.HashesMax && first + count < bitmap.BitCount && bitmap.IsDirty(first + count))
            {
                count++;
            }

            var status = await CompareAsync(first, count).ConfigureAwait(false);
            if (status != BlockStatus.Ok)
            {
                return status;
            }

            cursor = first + count;
            options.Progress?.Invoke(new DiskResyncProgress(_compared, _sent, bitmap.DirtyBytes));
            if (options.BytesPerSecond > 0)
            {
                var due = TimeSpan.FromSeconds((double)_compared / options.BytesPerSecond);
                var early = due - options.Time.GetElapsedTime(start);
                if (early > TimeSpan.Zero)
                {
                    await Task.Delay(early, options.Time, cancellation).ConfigureAwait(false);
                }
            }
        }
    }

    private async Task<BlockStatus> CompareAsync(int first, int count)
    {
        var offset = (long)first * DirtyBitmap.Granularity;
        var length = Math.Min((long)count * DirtyBitmap.Granularity, device.SizeBytes - offset);
        if (!await link.HashAsync(offset, length, _hashes).ConfigureAwait(false))
        {
            return BlockStatus.PeerLost;
        }

        for (var i = 0; i < count; i++)
        {
            var at = offset + ((long)i * DirtyBitmap.Granularity);
            var part = _part.AsMemory(0, (int)Math.Min(DirtyBitmap.Granularity, device.SizeBytes - at));
            var theirs = _hashes.AsMemory(i * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes);
            var (status, sent) = await device.CopyPartAsync(link, at, part, ours => IsEqual(ours, theirs)).ConfigureAwait(false);
            if (status != BlockStatus.Ok)
            {
                return status;
            }

            _compared += part.Length;
            _sent += sent ? part.Length : 0;
            _settled.Add(first + i);
        }

        return BlockStatus.Ok;
    }

    private bool IsEqual(ReadOnlyMemory<byte> ours, ReadOnlyMemory<byte> theirs)
    {
        SHA256.HashData(ours.Span, _hash);
        return _hash.AsSpan().SequenceEqual(theirs.Span);
    }

    private async Task<bool> SettleAsync()
    {
        if (!await device.FlushBothAsync(link).ConfigureAwait(false) || !device.TryClear(link, _settled))
        {
            return false;
        }

        _settled.Clear();

        // Not needed for safety: it only saves comparing the same parts again after a crash.
        _ = bitmap.Persist();
        return true;
    }
}
