using System.Diagnostics;
using Colo.Vmm.Checksums;

namespace Colo.Vmm.Memory;

/// <summary>Receives one page that a capture saved before it was overwritten.</summary>
public delegate void SavedPageVisitor(int pageIndex, ReadOnlySpan<byte> content);

/// <summary>
/// A set of pages frozen at the moment the capture began, while the guest goes on writing. A page is copied only if
/// the guest (or a device) writes to it before it was taken.
///
/// Each page is in one state, changed by compare-and-swap, so that the sender and the writers agree without a lock:
/// <code>
///   Gone &lt;- taken -- Held -- first write --&gt; Saved -- taken --&gt; Gone
///                      \__ Copying (whoever won the swap copies; a writer that lost waits) __/
/// </code>
/// A page that is not in the set is never looked at, and a state that an earlier capture left in the table counts as
/// Held, so that beginning a capture costs the same for one page as for all of them.
/// Promise: <see cref="TryTake(int, Span{byte})"/> yields the bytes as of the beginning, whoever runs beside it.
/// </summary>
public sealed class PageCapture : IDisposable
{
    private const byte Held = 0;
    private const byte Copying = 1;
    private const byte Saved = 2;
    private const byte Gone = 3;

    private readonly GuestRam _ram;
    private readonly DirtyPages? _pages;
    private readonly CaptureTables _tables;
    private readonly byte[] _states;
    private readonly byte[]?[] _saved;
    private readonly byte _mark;
    private int _savedCount;
    private int _savedEverCount;
    private int _savedLimit = int.MaxValue;
    private int _disposed;

    /// <param name="ram">The memory.</param>
    /// <param name="pages">The pages to hold, not to be changed until the capture has ended; null for all.</param>
    /// <param name="tables">Tables that nobody else uses; their content is of no matter.</param>
    internal PageCapture(GuestRam ram, DirtyPages? pages, CaptureTables tables)
    {
        _ram = ram;
        _pages = pages;
        _tables = tables;
        _states = tables.States;
        _saved = tables.Saved;
        _mark = tables.Renew();
    }

    /// <summary>Number of pages saved because they were written before they were taken, and not yet taken.</summary>
    public int SavedPageCount => Volatile.Read(ref _savedCount);

    /// <summary>Number of pages saved since the capture began, taken or not.</summary>
    internal int SavedEverCount => Volatile.Read(ref _savedEverCount);

    /// <summary>
    /// Number of saved pages above which the owner should pause the guest or end the capture. Only advice: content is
    /// saved beyond it too, because losing it would break the checkpoint.
    /// </summary>
    public int SavedPageLimit
    {
        get => Volatile.Read(ref _savedLimit);
        set => Volatile.Write(ref _savedLimit, value);
    }

    public bool LimitReached => SavedPageCount >= SavedPageLimit;

    /// <summary>
    /// Copies the page as it was when the capture began and lets go of it. False, and nothing copied, when the page is
    /// not in the capture, was taken before, or the capture has ended. Any thread; each page once.
    /// </summary>
    /// <param name="pageIndex">Index of the page in RAM.</param>
    /// <param name="destination">At least 4096 bytes.</param>
    public bool TryTake(int pageIndex, Span<byte> destination)
    {
        if (!TryEnter(pageIndex, out byte was))
        {
            return false;
        }

        CopyContent(pageIndex, was, destination);
        Leave(pageIndex, was, Gone);
        return true;
    }

    /// <summary>As <see cref="TryTake(int, Span{byte})"/>; <paramref name="register"/> is moved on behind the page, see
    /// <see cref="PageCrc32C"/>. <paramref name="upcoming"/> will probably be taken next, or is -1.</summary>
    internal bool TryTake(int pageIndex, Span<byte> destination, ref uint register, int upcoming)
    {
        if (!TryEnter(pageIndex, out byte was))
        {
            return false;
        }

        ReadOnlySpan<byte> content = was == Saved ? _saved[pageIndex] : _ram.ReadPage(pageIndex);
        register = PageCrc32C.Copy(register, content, destination, upcoming < 0 ? default : _ram.ReadPage(upcoming));
        Leave(pageIndex, was, Gone);
        return true;
    }

    /// <summary>
    /// Copies the page as it was when the capture began and keeps holding it. False, and nothing copied, when the page
    /// is not in the capture or has been let go. Any thread.
    /// </summary>
    internal bool TryPeek(int pageIndex, Span<byte> destination)
    {
        if (!TryEnter(pageIndex, out byte was))
        {
            return false;
        }

        CopyContent(pageIndex, was, destination);
        Leave(pageIndex, was, was);
        return true;
    }

    /// <summary>Lets go of a page whose old content nobody needs any more. Any thread, also while the guest
    /// runs.</summary>
    internal void Forget(int pageIndex)
    {
        if (TryEnter(pageIndex, out byte was))
        {
            Leave(pageIndex, was, Gone);
        }
    }

    /// <summary>
    /// Visits every page saved so far, in ascending order, without letting go of it: the pages written since the
    /// capture began with the content that they had then. The guest is paused.
    /// </summary>
    public void EnumerateSaved(SavedPageVisitor visitor)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        for (int page = 0; page < _states.Length; page++)
        {
            if (StateIn(Volatile.Read(ref _states[page])) == Saved)
            {
                visitor(page, _saved[page]);
            }
        }
    }

    /// <summary>Ends the capture; pages not taken are given up. Any thread, also while the guest runs.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        _ram.Detach(this);
        if (_pages is null)
        {
            for (int page = 0; page < _states.Length; page++)
            {
                Forget(page);
            }
        }
        else
        {
            int cursor = 0;
            while (_pages.NextSet(ref cursor, out int page))
            {
                Forget(page);
            }
        }

        _ram.ReturnTables(_tables);
    }

    /// <summary>Called by the gate before a page is written, by any writer.</summary>
    internal void BeforeWrite(int page)
    {
        if (_pages is not null && !_pages.Contains(page))
        {
            return;
        }

        ref byte state = ref _states[page];
        byte seen = Volatile.Read(ref state);
        while (StateIn(seen) is not (Gone or Saved))
        {
            if (StateIn(seen) == Held && Interlocked.CompareExchange(ref state, Marked(Copying), seen) == seen)
            {
                byte[] buffer = _ram.SavedPages.Rent();
                _ram.ReadPage(page).CopyTo(buffer);
                _saved[page] = buffer;
                Interlocked.Increment(ref _savedCount);
                Interlocked.Increment(ref _savedEverCount);
                Volatile.Write(ref state, Marked(Saved));
                return;
            }

            // Somebody is copying the page: at most the time of one page copy.
            Thread.SpinWait(8);
            seen = Volatile.Read(ref state);
        }
    }

    /// <summary>Wins the right to handle the page; false when there is nothing to handle.</summary>
    private bool TryEnter(int page, out byte was)
    {
        was = Gone;
        if ((uint)page >= (uint)_states.Length || (_pages is not null && !_pages.Contains(page)))
        {
            return false;
        }

        ref byte state = ref _states[page];
        while (true)
        {
            byte seen = Volatile.Read(ref state);
            byte now = StateIn(seen);
            if (now == Gone)
            {
                return false;
            }

            if (now != Copying && Interlocked.CompareExchange(ref state, Marked(Copying), seen) == seen)
            {
                was = now;
                return true;
            }

            Thread.SpinWait(8);
        }
    }

    private void CopyContent(int page, byte was, Span<byte> destination)
    {
        if (was == Saved)
        {
            _saved[page].CopyTo(destination);
        }
        else
        {
            _ram.ReadPage(page).CopyTo(destination);
        }
    }

    private void Leave(int page, byte was, byte becomes)
    {
        Debug.Assert(_states[page] == Marked(Copying), "only the thread that won the swap may leave");
        if (becomes == Gone && was == Saved)
        {
            byte[] saved = _saved[page]!;
            _saved[page] = null;
            Interlocked.Decrement(ref _savedCount);
            _ram.SavedPages.Return(saved);
        }

        Volatile.Write(ref _states[page], Marked(becomes));
    }

    /// <summary>What an entry of the table says in this capture.</summary>
    private byte StateIn(byte entry)
    {
        int own = entry ^ _mark;
        return own <= Gone ? (byte)own : Held;
    }

    private byte Marked(byte state) => (byte)(_mark | state);
}
