using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint.Secondary;

/// <summary>
/// Memory as of the last committed checkpoint while the secondary's guest runs on and changes it. There is no second
/// copy of RAM: a page that the guest has not written is in RAM, and what it has written is kept by a copy-on-write
/// capture from its first write on.
///
/// A page with a staged newer version is given up here (its old content can never be needed once that version is
/// committed); if the staged version is then discarded by an abort, the page is remembered as lost, and no checkpoint
/// is accepted that does not bring it again.
/// </summary>
internal sealed class CommittedImage : IDisposable
{
    private static readonly byte[] s_zeroPage = new byte[FrameLimits.PageSize];

    private readonly GuestRam _ram;
    private readonly DirtyPages _lost;
    private readonly SavedPageVisitor _restorePage;
    private PageCapture? _capture;
    private StagedPages? _staged;
    private int _lostCount;
    private int _restored;

    public CommittedImage(GuestRam ram)
    {
        _ram = ram;
        _lost = new DirtyPages(ram.PageCount);
        _restorePage = RestorePage;
    }

    /// <summary>True when RAM and capture together hold a committed image.</summary>
    public bool Exists => _capture is not null;

    /// <summary>Pages that the guest has written since, and whose older content is kept.</summary>
    public int SavedPageCount => _capture?.SavedPageCount ?? 0;

    /// <summary>RAM is the image now. The machine is paused.</summary>
    public void Begin()
    {
        _capture?.Dispose();
        _lost.Clear();
        _lostCount = 0;
        _capture = _ram.BeginCaptureAll();
    }

    /// <summary>There is no image any more, and the guest's writes cost nothing extra.</summary>
    public void Dispose()
    {
        _capture?.Dispose();
        _capture = null;
    }

    /// <summary>The page's content in the image. False when it was given up.</summary>
    public bool TryRead(int page, Span<byte> destination)
    {
        if (_capture is { } capture)
        {
            return capture.TryPeek(page, destination);
        }

        _ram.ReadPage(page).CopyTo(destination);
        return true;
    }

    /// <summary>A newer version of the page is staged for the very next checkpoint.</summary>
    public void GiveUp(int page) => _capture?.Forget(page);

    /// <summary>The staged versions are discarded.</summary>
    public void NoteLost(DirtyPages staged)
    {
        if (_capture is not null)
        {
            _lost.UnionWith(staged);
            _lostCount = _lost.Count;
        }
    }

    /// <summary>True when the staged pages bring back every page that was lost.</summary>
    public bool IsRepairedBy(StagedPages staged)
    {
        if (_lostCount == 0)
        {
            return true;
        }

        var cursor = 0;
        while (_lost.NextSet(ref cursor, out var page))
        {
            if (!staged.Contains(page))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// Makes RAM the image that consists of this one and the staged pages: pages that the guest wrote get their old
    /// content back, staged pages their new content. The machine is paused. May be repeated after an interruption,
    /// because nothing is let go before <see cref="Begin"/>. Returns the number of pages written, or -1 when a
    /// staged page can't be read.
    /// </summary>
    public int Apply(StagedPages staged)
    {
        _restored = 0;
        _staged = staged;
        _capture?.EnumerateSaved(_restorePage);
        _staged = null;
        var loaded = 0;
        var cursor = 0;
        Span<byte> scratch = stackalloc byte[FrameLimits.PageSize];
        while (staged.Members.NextSet(ref cursor, out var page))
        {
            var found = staged.Read(page, scratch, out var content);
            if (found == StagedRead.Failed)
            {
                return -1;
            }

            if (found == StagedRead.Found)
            {
                _ram.LoadPage(page, content.IsEmpty ? s_zeroPage : content);
                loaded++;
            }
        }

        return _restored + loaded;
    }

    private void RestorePage(int page, ReadOnlySpan<byte> content)
    {
        if (!_staged!.Contains(page))
        {
            _ram.LoadPage(page, content);
            _restored++;
        }
    }
}
