using System.Diagnostics;

namespace Colo.Vmm.Memory;

/// <summary>Receives one page that a capture saved before it was overwritten.</summary>
public delegate void SavedPageVisitor(int pageIndex, ReadOnlySpan<byte> content);

/// <summary>
/// A set of pages frozen at the moment the capture began, while the guest goes on writing. A page is copied only if
/// the guest (or a device) writes to it before it was taken.
///
/// Each page is in one state, changed by compare-and-swap, so that the sender and the writers agree without a lock:
/// <code>
///   None &lt;- taken -- Held -- first write --&gt; Saved -- taken --&gt; None
///                      \__ Copying (whoever won the swap copies; a writer that lost waits) __/
/// </code>
/// Promise: <see cref="TryTake"/> yields the bytes as of the beginning, whoever runs beside it.
/// </summary>
public sealed class PageCapture : IDisposable
{
    private const byte None = 0;
    private const byte Held = 1;
    private const byte Copying = 2;
    private const byte Saved = 3;

    private readonly GuestRam _ram;
    private readonly byte[] _states;
    private readonly byte[]?[] _saved;
    private int _savedCount;
    private int _savedLimit = int.MaxValue;
    private int _disposed;

    internal PageCapture(GuestRam ram, DirtyPages? pages)
    {
        _ram = ram;
        _states = new byte[ram.PageCount];
        _saved = new byte[]?[ram.PageCount];
        if (pages is null)
        {
            Array.Fill(_states, Held);
            return;
        }

        int cursor = 0;
        while (pages.NextSet(ref cursor, out int page))
        {
            _states[page] = Held;
        }
    }

    /// <summary>Number of pages saved because they were written before they were taken, and not yet taken.</summary>
    public int SavedPageCount => Volatile.Read(ref _savedCount);

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
        ref byte state = ref _states[pageIndex];
        while (true)
        {
            if (Interlocked.CompareExchange(ref state, Copying, Held) == Held)
            {
                _ram.ReadPage(pageIndex).CopyTo(destination);
                Volatile.Write(ref state, None);
                return true;
            }

            if (Interlocked.CompareExchange(ref state, Copying, Saved) == Saved)
            {
                byte[] saved = _saved[pageIndex]!;
                saved.CopyTo(destination);
                Release(pageIndex, saved);
                Volatile.Write(ref state, None);
                return true;
            }

            if (Volatile.Read(ref state) == None)
            {
                return false;
            }

            Thread.SpinWait(8);
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
            if (Volatile.Read(ref _states[page]) == Saved)
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
        for (int page = 0; page < _states.Length; page++)
        {
            LetGo(page);
        }
    }

    /// <summary>Called by the gate before a page is written, by any writer.</summary>
    internal void BeforeWrite(int page)
    {
        ref byte state = ref _states[page];
        byte seen = Volatile.Read(ref state);
        while (seen is not (None or Saved))
        {
            if (seen == Held && Interlocked.CompareExchange(ref state, Copying, Held) == Held)
            {
                byte[] buffer = _ram.SavedPages.Rent();
                _ram.ReadPage(page).CopyTo(buffer);
                _saved[page] = buffer;
                Interlocked.Increment(ref _savedCount);
                Volatile.Write(ref state, Saved);
                return;
            }

            // Somebody is copying the page: at most the time of one page copy.
            Thread.SpinWait(8);
            seen = Volatile.Read(ref state);
        }
    }

    private void LetGo(int page)
    {
        ref byte state = ref _states[page];
        while (Volatile.Read(ref state) is byte seen && seen != None)
        {
            if (seen == Copying)
            {
                Thread.SpinWait(8);
            }
            else if (Interlocked.CompareExchange(ref state, Copying, seen) == seen)
            {
                if (seen == Saved)
                {
                    Release(page, _saved[page]!);
                }

                Volatile.Write(ref state, None);
            }
        }
    }

    private void Release(int page, byte[] saved)
    {
        Debug.Assert(_states[page] == Copying, "only the thread that won the swap may release");
        _saved[page] = null;
        Interlocked.Decrement(ref _savedCount);
        _ram.SavedPages.Return(saved);
    }
}
