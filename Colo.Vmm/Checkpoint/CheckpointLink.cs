namespace Colo.Vmm.Checkpoint;

/// <summary>What both ends of a link agree on before the first frame.</summary>
/// <param name="Role">Which end we are.</param>
/// <param name="Session">Number of this connection, chosen by the primary's owner; keeps channels of two links
/// apart.</param>
/// <param name="Term">The arbiter's term at opening.</param>
/// <param name="RamBase">Guest-physical address of RAM.</param>
/// <param name="RamSize">Bytes of RAM, a multiple of 4096.</param>
/// <param name="Features">What this end can do; the link uses what both can.</param>
public sealed record CheckpointLinkParameters(
    LinkRole Role, ulong Session, ulong Term, ulong RamBase, ulong RamSize, LinkFeatures Features);

/// <summary>
/// The channels between a primary and a secondary: one for control, 1 to 16 for pages. A page always travels on the
/// same channel (see <see cref="ChannelOf"/>), so its versions arrive in order whatever the channels do among
/// themselves. A failure of one channel closes all: a link is whole or gone.
/// </summary>
public sealed class CheckpointLink : IDisposable
{
    private readonly FrameChannel[] _pages;
    private readonly int _pageCount;
    private ulong _term;

    private CheckpointLink(CheckpointLinkParameters own, FrameChannel control, FrameChannel[] pages)
    {
        Parameters = own;
        Control = control;
        _pages = pages;
        _term = own.Term;
        _pageCount = (int)(own.RamSize / FrameLimits.PageSize);
    }

    public CheckpointLinkParameters Parameters { get; }

    /// <summary>What both ends can do.</summary>
    public LinkFeatures Features { get; private set; }

    /// <summary>The highest term seen on this link; frames of lower terms end it (S3).</summary>
    public ulong Term => Volatile.Read(ref _term);

    public int PageChannelCount => _pages.Length;

    /// <summary>The first failure of any channel.</summary>
    public LinkFailure Failure
    {
        get
        {
            var failure = Control.Failure;
            foreach (var channel in _pages)
            {
                // A channel closed because another failed says Closed; the cause is the other's.
                var other = channel.Failure;
                failure = failure is LinkFailure.None or LinkFailure.Closed && other != LinkFailure.None ? other : failure;
            }

            return failure;
        }
    }

    /// <summary>Bytes written to all channels, openings and headers included.</summary>
    public long BytesWritten => Control.BytesWritten + _pages.Sum(c => c.BytesWritten);

    internal FrameChannel Control { get; }

    /// <summary>
    /// Opens a link over connected duplex streams, blocking until the peer has answered on each. The streams belong to
    /// the link from now on. Returns null, all streams closed, with <paramref name="error"/> when the peer is not the
    /// right one.
    /// </summary>
    /// <param name="own">What we are and expect.</param>
    /// <param name="control">The control channel.</param>
    /// <param name="pages">1 to 16 page channels, in the same order on both ends.</param>
    /// <param name="error">Empty on success, else a sentence that names the field, its value and what was
    /// expected.</param>
    public static CheckpointLink? TryOpen(
        CheckpointLinkParameters own, Stream control, IReadOnlyList<Stream> pages, out string error)
    {
        ArgumentNullException.ThrowIfNull(own);
        ArgumentNullException.ThrowIfNull(control);
        ArgumentNullException.ThrowIfNull(pages);
        ArgumentOutOfRangeException.ThrowIfLessThan(pages.Count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pages.Count, FrameLimits.PageChannelsMax);
        var link = new CheckpointLink(
            own, new FrameChannel(control), [.. pages.Select(stream => new FrameChannel(stream))]);
        if (link.Exchange(out error))
        {
            return link;
        }

        link.Dispose();
        return null;
    }

    public void Dispose() => Fail(LinkFailure.Closed);

    /// <summary>The channel that a page travels on: blocks of 64 pages go round, so that dirty clusters
    /// spread.</summary>
    internal int ChannelOf(int page) => (page >> 6) % _pages.Length;

    internal FrameChannel PageChannel(int index) => _pages[index];

    internal void Fail(LinkFailure failure)
    {
        Control.Fail(failure);
        foreach (var channel in _pages)
        {
            channel.Fail(LinkFailure.Closed);
        }
    }

    /// <summary>True when a frame may be acted on by its term; learns a higher one.</summary>
    internal bool AcceptTerm(ulong term)
    {
        while (true)
        {
            var seen = Term;
            if (term <= seen)
            {
                return term == seen;
            }

            Interlocked.CompareExchange(ref _term, term, seen);
        }
    }

    /// <summary>Our side has been given a higher term.</summary>
    internal bool RaiseTerm(ulong term) => AcceptTerm(term);

    internal bool IsPage(long page) => page >= 0 && page < _pageCount;

    private bool Exchange(out string error)
    {
        Span<byte> bytes = stackalloc byte[ChannelHello.Size];
        error = "";
        for (var i = -1; i < _pages.Length; i++)
        {
            Own(i).Write(bytes);
            Channel(i).WriteRaw(bytes);
        }

        var features = Parameters.Features;
        for (var i = -1; i < _pages.Length; i++)
        {
            var failure = Channel(i).ReadRaw(bytes, LinkFailure.Closed);
            if (failure != LinkFailure.None)
            {
                error = $"channel {i} ended while it was being opened ({failure})";
                return false;
            }

            if (!ChannelHello.TryRead(bytes, Own(i), out var peer, out error))
            {
                Channel(i).Fail(LinkFailure.BadHello);
                return false;
            }

            features &= peer.Features;
        }

        Features = features;
        return true;
    }

    private FrameChannel Channel(int index) => index < 0 ? Control : _pages[index];

    private ChannelHello Own(int index) => new(
        Parameters.Role, index < 0, Math.Max(index, 0), _pages.Length, Parameters.Session, Parameters.Term,
        Parameters.RamBase, Parameters.RamSize, Parameters.Features);
}
