using System.IO.Compression;
using Colo.Vmm.Checksums;
using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint.Secondary;

/// <summary>What became of a chunk.</summary>
internal enum StageResult
{
    Staged,

    /// <summary>Wrong in itself: the link is of no more use.</summary>
    Malformed,

    /// <summary>Not what was sent: the link is of no more use, and with it all that was staged from it.</summary>
    Damaged,
}

/// <summary>
/// Takes one channel's chunks apart and puts the pages where they belong: staged, or straight into RAM while there is
/// no image to protect (live start). One thread a channel.
/// </summary>
internal sealed class PageStager
{
    private static readonly byte[] s_zeroPage = new byte[FrameLimits.PageSize];

    private readonly GuestRam _ram;
    private readonly CommittedImage _image;
    private readonly int _channel;
    private readonly int _channels;
    private readonly LinkFeatures _features;
    private readonly byte[] _page = new byte[FrameLimits.PageSize];
    private byte[] _body = [];
    private uint _register;

    public PageStager(GuestRam ram, CommittedImage image, int channel, int channels, LinkFeatures features)
    {
        _ram = ram;
        _image = image;
        _channel = channel;
        _channels = channels;
        _features = features;
    }

    /// <summary>Pages in the last chunk.</summary>
    public int PagesInChunk { get; private set; }

    /// <summary>
    /// Stages a chunk. Its checksum is taken while the pages are copied, so pages of a damaged chunk may be staged when
    /// that is found out: they are never applied, because the link that brought them ends with it.
    /// </summary>
    /// <param name="payload">The frame's payload.</param>
    /// <param name="payloadCrc">What its checksum should be.</param>
    /// <param name="target">Where pages are staged, or at least counted.</param>
    /// <param name="sealedPages">A committed checkpoint that is not in RAM yet, or null.</param>
    public StageResult Stage(ReadOnlySpan<byte> payload, uint payloadCrc, StagedPages target, StagedPages? sealedPages)
    {
        PagesInChunk = 0;
        var result = StageResult.Malformed;
        if (PageChunk.TryParse(payload, _ram.PageCount, _channel, _channels, out var chunk))
        {
            _register = Crc32C.Update(~0u, payload[..PageChunk.HeaderSize]);
            result = StageBody(chunk, target, sealedPages);
            if (result == StageResult.Staged && !chunk.IsCompressed)
            {
                var records = payload[(PageChunk.HeaderSize + chunk.StoredBody.Length)..];
                return ~Crc32C.Update(_register, records) == payloadCrc ? result : StageResult.Damaged;
            }
        }

        return Crc32C.Compute(payload) == payloadCrc ? result : StageResult.Damaged;
    }

    private StageResult StageBody(PageChunk chunk, StagedPages target, StagedPages? sealedPages)
    {
        var body = chunk.StoredBody;
        if (chunk.IsCompressed && !TryDecompress(chunk, out body))
        {
            return StageResult.Malformed;
        }

        for (var i = 0; i < chunk.RecordCount; i++)
        {
            var record = chunk[i];
            if (record.Kind == PageKind.Delta)
            {
                _register = Crc32C.Update(_register, body[..record.Count]);
                if ((_features & LinkFeatures.Delta) == 0 || !TryReadBase(record.FirstPage, target, sealedPages)
                    || !DeltaCodec.TryApply(body[..record.Count], _page))
                {
                    return StageResult.Malformed;
                }

                var behind = _register;
                Put(record.FirstPage, _page, target, sealedPages);
                _register = behind;
            }
            else
            {
                PutRun(record, body, target, sealedPages);
            }

            body = body[record.BodyBytes..];
            PagesInChunk += record.PageRun;
        }

        return StageResult.Staged;
    }

    private void PutRun(PageRecord record, ReadOnlySpan<byte> body, StagedPages target, StagedPages? sealedPages)
    {
        for (var i = 0; i < record.Count; i++)
        {
            var content = record.Kind == PageKind.Zero
                ? default
                : body.Slice(i * FrameLimits.PageSize, FrameLimits.PageSize);
            Put(record.FirstPage + i, content, target, sealedPages);
        }
    }

    /// <summary>An empty span stands for a page of zeros.</summary>
    private void Put(int page, ReadOnlySpan<byte> content, StagedPages target, StagedPages? sealedPages)
    {
        if (!_image.Exists)
        {
            // Fresh memory reads as zeros without being there; writing zeros would make the host find room for it.
            if (!content.IsEmpty || !PageContent.IsZero(_ram.ReadPage(page)))
            {
                _ram.LoadPage(page, content.IsEmpty ? s_zeroPage : content);
            }

            _register = Crc32C.Update(_register, content);

            target.NoteInRam(page);
            return;
        }

        if (content.IsEmpty)
        {
            target.PutZero(page);
        }
        else if (!target.TryPut(page, content, ref _register))
        {
            return;
        }

        if (sealedPages is null)
        {
            _image.GiveUp(page);
        }
    }

    /// <summary>The newest version of a page that the primary may have made its delta against.</summary>
    private bool TryReadBase(int page, StagedPages target, StagedPages? sealedPages)
    {
        var found = target.Read(page, _page, out var content);
        if (found == StagedRead.Absent && sealedPages is not null)
        {
            found = sealedPages.Read(page, _page, out content);
        }

        if (found != StagedRead.Found)
        {
            return found == StagedRead.Absent && _image.TryRead(page, _page);
        }

        if (content.IsEmpty)
        {
            Array.Clear(_page);
        }
        else
        {
            content.CopyTo(_page);
        }

        return true;
    }

    private bool TryDecompress(PageChunk chunk, out ReadOnlySpan<byte> body)
    {
        body = default;
        if ((_features & LinkFeatures.Compression) == 0)
        {
            return false;
        }

        if (_body.Length < chunk.BodyLength)
        {
            // TryParse has bounded the length by the largest chunk.
            _body = GC.AllocateUninitializedArray<byte>(chunk.BodyLength);
        }

        var target = _body.AsSpan(0, chunk.BodyLength);
        var done = BrotliDecoder.TryDecompress(chunk.StoredBody, target, out var written) && written == target.Length;
        body = target;
        return done;
    }
}
