namespace Colo.Vmm.Qemu;

/// <summary>
/// Finds where JSON objects end in a byte stream: QMP separates them by nothing in particular, so depth and strings are
/// followed. Bytes between objects are white space or garbage; garbage is counted and skipped up to the next '{'.
/// </summary>
internal sealed class JsonObjectSplitter(int lengthMax)
{
    private readonly List<byte> current = [];
    private int depth;
    private bool inString;
    private bool escaped;

    /// <summary>Bytes outside objects that were not white space.</summary>
    public long GarbageCount { get; private set; }

    /// <summary>Takes bytes; calls <paramref name="found"/> for each object that they complete.</summary>
    /// <returns>False when an object is longer than the limit: the stream cannot be trusted any more.</returns>
    public bool Append(ReadOnlySpan<byte> bytes, Action<ReadOnlyMemory<byte>> found)
    {
        foreach (byte value in bytes)
        {
            if (depth == 0 && value != (byte)'{')
            {
                GarbageCount += value is (byte)' ' or (byte)'\r' or (byte)'\n' or (byte)'\t' ? 0 : 1;
                continue;
            }

            if (current.Count >= lengthMax)
            {
                return false;
            }

            current.Add(value);
            Follow(value);
            if (depth == 0)
            {
                found(current.ToArray());
                current.Clear();
            }
        }

        return true;
    }

    private void Follow(byte value)
    {
        if (inString)
        {
            if (escaped)
            {
                escaped = false;
            }
            else if (value == (byte)'\\')
            {
                escaped = true;
            }
            else if (value == (byte)'"')
            {
                inString = false;
            }

            return;
        }

        switch (value)
        {
            case (byte)'"': inString = true; break;
            case (byte)'{' or (byte)'[': depth++; break;
            case (byte)'}' or (byte)']': depth--; break;
        }
    }
}
