using System.Buffers;

namespace Akka.Remote.Transport;

/// <summary>Hears of one link. Calls come one at a time, except <see cref="Writable"/>, which may come beside the
/// others.</summary>
internal interface ILinkHandler
{
    void Opened(ILink link);

    /// <summary>
    /// A frame: its kind and its body, valid only during the call. Throwing <see cref="WireFormatException"/> closes
    /// the link.
    /// </summary>
    void FrameReceived(FrameKind kind, in ReadOnlySequence<byte> body);

    /// <summary>The network has caught up after <see cref="ILink.Flush"/> answered false.</summary>
    void Writable();

    /// <summary>The link is gone, or could not be opened. Nothing comes after this.</summary>
    void Closed(LinkClosed reason);
}

/// <summary>Makes the handler for a link that a peer opened.</summary>
internal interface ILinkAcceptor
{
    ILinkHandler Accept();
}

/// <summary>Why a link ended. <see cref="IsProtocolError"/>: the peer sent what no peer of ours sends.</summary>
internal sealed record LinkClosed(string Text, bool IsProtocolError)
{
    public override string ToString() => Text;
}
