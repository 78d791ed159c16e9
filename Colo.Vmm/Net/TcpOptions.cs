namespace Colo.Vmm.Net;

/// <summary>Walks the options of a TCP header (RFC 9293 section 3.1, RFC 7323, RFC 2018, RFC 8684).</summary>
internal static class TcpOptions
{
    public const int EndOfList = 0;
    public const int NoOperation = 1;
    public const int WindowScale = 3;
    public const int SackPermitted = 4;
    public const int Sack = 5;
    public const int Timestamps = 8;
    public const int Multipath = 30;

    /// <summary>Of the timestamps option without kind and length: the sender's clock, then the echo of the
    /// receiver's.</summary>
    public const int TimestampsBodyBytes = 8;

    /// <summary>
    /// Whether two SYNs' options bind both ends to the same for the connection's life. A survivor that had promised
    /// something else would misread the client's windows or acknowledgements. The segment size is not among them: it
    /// only bounds what each side sends. A key of multipath TCP is: all of its own numbers derive from it, which no
    /// rewriter translates, and each replica draws one.
    /// </summary>
    public static bool BindAlike(ReadOnlySpan<byte> frame, ReadOnlySpan<byte> other) =>
        Bind(frame).Equals(Bind(other)) && MultipathOf(frame).SequenceEqual(MultipathOf(other));

    private static (int WindowShift, bool Sack, bool Timestamps) Bind(ReadOnlySpan<byte> frame)
    {
        var view = FrameView.Parse(frame);
        if (view.Kind != FrameKind.Tcp)
        {
            return (-1, false, false);
        }
        var shift = -1;
        var sack = false;
        var timestamps = false;
        var options = view.TcpOptions;
        var offset = 0;
        while (TryNext(options, ref offset, out var kind, out var body))
        {
            switch (kind)
            {
                case WindowScale when body.Length == 1:
                    shift = body[0];
                    break;
                case SackPermitted:
                    sack = true;
                    break;
                case Timestamps:
                    timestamps = true;
                    break;
            }
        }
        return (shift, sack, timestamps);
    }

    private static ReadOnlySpan<byte> MultipathOf(ReadOnlySpan<byte> frame)
    {
        var view = FrameView.Parse(frame);
        var options = view.Kind == FrameKind.Tcp ? view.TcpOptions : default;
        var offset = 0;
        while (TryNext(options, ref offset, out var kind, out var body))
        {
            if (kind == Multipath)
            {
                return options.Slice(offset - body.Length, body.Length);
            }
        }
        return default;
    }

    /// <summary>Finds the first timestamps option: where its value begins in <paramref name="options"/>; its echo
    /// is four bytes further.</summary>
    public static bool TryFindTimestamps(ReadOnlySpan<byte> options, out int at)
    {
        var offset = 0;
        while (TryNext(options, ref offset, out var kind, out var body))
        {
            if (kind == Timestamps && body.Length == TimestampsBodyBytes)
            {
                at = offset - TimestampsBodyBytes;
                return true;
            }
        }
        at = 0;
        return false;
    }

    /// <summary>The next option with a length; false at the end or at the first that is malformed.</summary>
    public static bool TryNext(ReadOnlySpan<byte> options, ref int offset, out int kind, out ReadOnlySpan<byte> body)
    {
        kind = EndOfList;
        body = default;
        while (offset < options.Length && options[offset] == NoOperation)
        {
            offset++;
        }
        if (offset + 1 >= options.Length || options[offset] == EndOfList)
        {
            return false;
        }
        var length = options[offset + 1];
        if (length < 2 || offset + length > options.Length)
        {
            return false;
        }
        kind = options[offset];
        body = options.Slice(offset + 2, length - 2);
        offset += length;
        return true;
    }
}
