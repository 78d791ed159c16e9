using System.Buffers.Binary;

namespace Colo.Vmm.Block;

/// <summary>
/// How an owner and a joiner find out what their disks lack of each other, before the first change crosses the link. If
/// both bitmaps name the same session, only what either of them names can differ; otherwise everything may.
/// <code>
/// owner: asks for the joiner's session and names -> unites them with its own, or marks everything
///        -> durably belongs to the new session -> tells the joiner to -> changes may flow, and the resync
/// </code>
/// The owner's file has the new session first: a crash in between leaves two disks that name different sessions, and
/// the next owner compares everything.
/// </summary>
public static class DiskHandshake
{
    /// <summary>Ends with both disks in a new session of this term. The answer is false when the link or the bitmap's
    /// file failed; then nothing of the joiner's disk has been changed.</summary>
    public static async Task<bool> OpenAsync(DiskLinkSender link, DirtyBitmap bitmap, ulong term)
    {
        var known = bitmap.Session.IsKnown;
        var state = new byte[DiskLinkReceiver.StateBytesMax];
        for (var bit = 0; known && bit < bitmap.BitCount; bit += DiskLinkReceiver.StatePartsMax)
        {
            var offset = (long)bit * DirtyBitmap.Granularity;
            var most = (long)DiskLinkReceiver.StatePartsMax * DirtyBitmap.Granularity;
            var length = Math.Min(most, bitmap.DiskSizeBytes - offset);
            if (!await link.AskStateAsync(offset, length, state).ConfigureAwait(false))
            {
                return false;
            }

            var theirs = new DiskSession(
                BinaryPrimitives.ReadUInt64LittleEndian(state), BinaryPrimitives.ReadUInt64LittleEndian(state.AsSpan(8)));
            known = theirs == bitmap.Session;
            if (known)
            {
                var parts = (int)((length + DirtyBitmap.Granularity - 1) / DirtyBitmap.Granularity);
                bitmap.Unite(bit, state.AsSpan(16, (parts + 7) / 8));
            }
        }

        if (!known)
        {
            bitmap.MarkAll();
        }

        var session = bitmap.Session.NextIn(term);
        return bitmap.Adopt(session) == BlockStatus.Ok && await link.AdoptAsync(session.Number).ConfigureAwait(false);
    }
}
