using Colo.Vmm.Memory;

namespace Colo.Vmm.Checkpoint.Primary;

/// <summary>
/// What the primary knows about the secondary's memory. Each page is in any of these sets:
/// <list type="bullet">
/// <item><see cref="Pending"/>: written since it was last sent, so it must be sent before or in the next
/// checkpoint;</item>
/// <item><see cref="Staged"/>: some version of it was sent for the next checkpoint;</item>
/// <item><see cref="Captured"/>: belongs to the checkpoint that is being sent.</item>
/// </list>
/// A commit empties Staged and Captured; an abort or a lost link puts both back into Pending, because the secondary has
/// thrown them away, and forgets all that was known for deltas and hashes.
/// Channels change only bits of their own pages, and a channel owns whole 64-bit words of a set.
/// </summary>
internal sealed class PageLedger
{
    private readonly PageHash[]? _hashes;
    private readonly DirtyPages? _hashed;

    public PageLedger(int pageCount, bool keepHashes)
    {
        Pending = DirtyPages.All(pageCount);
        Staged = new DirtyPages(pageCount);
        Captured = new DirtyPages(pageCount);
        if (keepHashes)
        {
            _hashes = new PageHash[pageCount];
            _hashed = new DirtyPages(pageCount);
        }
    }

    public DirtyPages Pending { get; private set; }

    public DirtyPages Staged { get; }

    public DirtyPages Captured { get; private set; }

    public bool KeepsHashes => _hashes is not null;

    /// <summary>Secondary and primary stand at the same memory.</summary>
    public void StartEqual()
    {
        Pending.Clear();
        Staged.Clear();
        Captured.Clear();
    }

    /// <summary>The secondary has nothing.</summary>
    public void StartOver()
    {
        Pending.UnionWith(DirtyPages.All(Pending.PageCount));
        Staged.Clear();
        Captured.Clear();
        _hashed?.Clear();
    }

    /// <summary>
    /// All pending pages and those just written are the checkpoint's; what is written from now on is the next one's.
    /// Guest paused: where nothing was pending, the usual case, this costs the same however large the memory is.
    /// </summary>
    /// <param name="written">From the dirty log; the ledger's from now on.</param>
    /// <param name="nothingPending">What <see cref="Pending"/> said before the pause.</param>
    /// <returns>A set for the log, of any content.</returns>
    public DirtyPages Capture(DirtyPages written, bool nothingPending)
    {
        if (nothingPending)
        {
            var last = Captured;
            Captured = written;
            return last;
        }

        Pending.UnionWith(written);
        (Captured, Pending) = (Pending, Captured);
        return written;
    }

    public void Commit()
    {
        Staged.Clear();
        Captured.Clear();
    }

    public void GiveUp()
    {
        Pending.UnionWith(Captured);
        Pending.UnionWith(Staged);
        Staged.Clear();
        Captured.Clear();
        _hashed?.Clear();
    }

    /// <summary>How many pages are in <see cref="Staged"/>, and the digest of their numbers.</summary>
    public (ulong Count, ulong Digest) SumUpStaged()
    {
        var count = 0UL;
        var digest = 0UL;
        var cursor = 0;
        while (Staged.NextSet(ref cursor, out var page))
        {
            count++;
            digest = unchecked(digest + PageHash.OfNumber(page));
        }

        return (count, digest);
    }

    /// <summary>Pages that the secondary will have staged once the captured ones are sent, and those not in the
    /// capture.</summary>
    public (int Total, int AheadOnly) CountStagedAndCaptured()
    {
        var captured = 0;
        var ahead = 0;
        var cursor = 0;
        while (Captured.NextSet(ref cursor, out _))
        {
            captured++;
        }

        cursor = 0;
        while (Staged.NextSet(ref cursor, out var page))
        {
            ahead += Captured.Contains(page) ? 0 : 1;
        }

        return (captured + ahead, ahead);
    }

    /// <summary>Whether the secondary provably has a page with this hash already; learns the hash as its
    /// content.</summary>
    public bool IsEqualThenLearn(int page, PageHash hash)
    {
        if (_hashed!.Contains(page) && _hashes![page] == hash)
        {
            return true;
        }

        LearnHash(page, hash);
        return false;
    }

    /// <summary>The secondary has this content.</summary>
    public void LearnHash(int page, PageHash hash)
    {
        if (_hashes is not null)
        {
            _hashes[page] = hash;
            _hashed!.Add(page);
        }
    }
}
