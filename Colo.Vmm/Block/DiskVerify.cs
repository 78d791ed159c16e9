using System.Security.Cryptography;

namespace Colo.Vmm.Block;

/// <summary>How a comparison of two disks ended.</summary>
/// <param name="Status">Ok when the whole disk was compared; else why not, and the figures are of the part that
/// was.</param>
/// <param name="FirstOffset">Where the first range begins that differs, in parts of 64 KiB; -1: none does.</param>
/// <param name="FirstLength">Its length in bytes.</param>
/// <param name="FromEpoch">The epoch of the primary's guest when the comparison began.</param>
/// <param name="ToEpoch">And when it ended.</param>
public sealed record DiskVerifyResult(
    BlockStatus Status, long ComparedBytes, long DifferentBytes, long FirstOffset, long FirstLength, ulong FromEpoch,
    ulong ToEpoch);

/// <summary>
/// Compares a pair's disks by SHA-256 while the guest runs (S10). Each part is compared at one place in the order of
/// changes: changes of it wait on the primary, the question goes to the secondary behind all earlier ones, and its disk
/// answers from there. What is equal there stays so as long as every later change is applied on both, which the barrier
/// of the next checkpoint proves; so with equal parts the disks are equal as of the next commit. A part that differs
/// does so really, whatever the guest writes meanwhile.
/// </summary>
public sealed class DiskVerify(ForwardingDevice device, DiskLinkSender link, long bytesPerSecond, TimeProvider time)
{
    /// <summary>Changes of so many parts wait for one answer.</summary>
    private const int PartsAtOnce = 4;

    private readonly byte[] range =
        GC.AllocateUninitializedArray<byte>(PartsAtOnce * DirtyBitmap.Granularity, pinned: true);
    private readonly byte[] ours = new byte[PartsAtOnce * SHA256.HashSizeInBytes];
    private readonly byte[] theirs = new byte[PartsAtOnce * SHA256.HashSizeInBytes];
    private long compared;
    private long different;
    private long firstOffset = -1;
    private long firstLength;

    /// <summary>Runs to the end of the disk, whatever differs.</summary>
    /// <param name="progress">Told of the bytes compared so far.</param>
    /// <param name="cancellation">Ends it early, with what was found until then in an exception.</param>
    public async Task<DiskVerifyResult> RunAsync(Action<long> progress, CancellationToken cancellation)
    {
        var start = time.GetTimestamp();
        var from = link.Epoch;
        var status = BlockStatus.Ok;
        while (compared < device.SizeBytes && status == BlockStatus.Ok)
        {
            cancellation.ThrowIfCancellationRequested();
            var length = (int)Math.Min(range.Length, device.SizeBytes - compared);
            status = await device.HashBothAsync(link, compared, range.AsMemory(0, length), ours, theirs)
                .ConfigureAwait(false);
            if (status != BlockStatus.Ok)
            {
                break;
            }

            Count(length);
            progress(compared);
            var early = bytesPerSecond > 0
                ? TimeSpan.FromSeconds((double)compared / bytesPerSecond) - time.GetElapsedTime(start)
                : TimeSpan.Zero;
            if (early > TimeSpan.Zero)
            {
                await Task.Delay(early, time, cancellation).ConfigureAwait(false);
            }
        }

        return new DiskVerifyResult(status, compared, different, firstOffset, firstLength, from, link.Epoch);
    }

    private void Count(int length)
    {
        for (var at = 0; at < length; at += DirtyBitmap.Granularity)
        {
            var part = Math.Min(DirtyBitmap.Granularity, length - at);
            var hash = at / DirtyBitmap.Granularity * SHA256.HashSizeInBytes;
            if (!ours.AsSpan(hash, SHA256.HashSizeInBytes).SequenceEqual(theirs.AsSpan(hash, SHA256.HashSizeInBytes)))
            {
                different += part;
                firstOffset = firstOffset < 0 ? compared : firstOffset;
                firstLength += firstOffset + firstLength == compared ? part : 0;
            }

            compared += part;
        }
    }
}
