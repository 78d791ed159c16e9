using System.Numerics;

namespace Colo.Vmm.Memory;

/// <summary>
/// A set of guest page indexes, one bit a page. The dirty log hands one out at every swap; the sender walks it in
/// ascending order. Not safe for concurrent mutation, except <see cref="Mark"/>, which the log itself uses.
/// </summary>
public sealed class DirtyPages
{
    private readonly ulong[] _words;

    /// <summary>Makes an empty set that can hold pages 0 to <paramref name="pageCount"/> - 1.</summary>
    public DirtyPages(int pageCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(pageCount);
        PageCount = pageCount;
        _words = new ulong[(pageCount + 63) / 64];
    }

    /// <summary>Number of pages that the set can hold, not the number in it.</summary>
    public int PageCount { get; }

    /// <summary>Number of pages in the set; counted on each call, O(pages / 64).</summary>
    public int Count
    {
        get
        {
            int count = 0;
            foreach (ulong word in _words)
            {
                count += BitOperations.PopCount(word);
            }

            return count;
        }
    }

    /// <summary>Whether no page is in the set; looked for on each call.</summary>
    public bool IsEmpty => !_words.AsSpan().ContainsAnyExcept(0UL);

    /// <summary>The set of all pages of a memory of <paramref name="pageCount"/> pages.</summary>
    public static DirtyPages All(int pageCount)
    {
        DirtyPages all = new(pageCount);
        Array.Fill(all._words, ulong.MaxValue);
        if ((pageCount & 63) != 0)
        {
            all._words[^1] = (1UL << (pageCount & 63)) - 1;
        }

        return all;
    }

    public bool Contains(int page) => (_words[page >> 6] >> (page & 63) & 1) != 0;

    public void Add(int page)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)page, (uint)PageCount);
        _words[page >> 6] |= 1UL << (page & 63);
    }

    public void Remove(int page) => _words[page >> 6] &= ~(1UL << (page & 63));

    /// <summary>
    /// Finds the first member at or after <paramref name="cursor"/>. Start with 0; after true the cursor stands behind
    /// <paramref name="page"/>, so the same call in a loop yields all members in ascending order.
    /// </summary>
    public bool NextSet(ref int cursor, out int page)
    {
        int index = cursor >> 6;
        if (index < _words.Length)
        {
            ulong word = _words[index] & (ulong.MaxValue << (cursor & 63));
            while (true)
            {
                if (word != 0)
                {
                    page = (index << 6) + BitOperations.TrailingZeroCount(word);
                    cursor = page + 1;
                    return true;
                }

                if (++index >= _words.Length)
                {
                    break;
                }

                word = _words[index];
            }
        }

        cursor = PageCount;
        page = -1;
        return false;
    }

    public void UnionWith(DirtyPages other)
    {
        ArgumentNullException.ThrowIfNull(other);
        ArgumentOutOfRangeException.ThrowIfNotEqual(other.PageCount, PageCount);
        for (int i = 0; i < _words.Length; i++)
        {
            _words[i] |= other._words[i];
        }
    }

    public void Clear() => Array.Clear(_words);

    /// <summary>Adds a page; may be called by several threads at once.</summary>
    internal void Mark(int page)
    {
        ref ulong word = ref _words[page >> 6];
        ulong bit = 1UL << (page & 63);
        // The plain test keeps the locked operation off the path of a page that is marked already.
        if ((Volatile.Read(ref word) & bit) == 0)
        {
            Interlocked.Or(ref word, bit);
        }
    }
}
