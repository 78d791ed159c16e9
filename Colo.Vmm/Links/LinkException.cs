namespace Colo.Vmm.Links;

/// <summary>A data link could not be opened. The message names the peer and its reason.</summary>
public sealed class LinkException : IOException
{
    public LinkException(string message, LinkAnswer? answer = null, ulong peerTerm = 0, Exception? inner = null)
        : base(message, inner)
    {
        Answer = answer;
        PeerTerm = peerTerm;
    }

    /// <summary>What the peer answered, if it answered.</summary>
    public LinkAnswer? Answer { get; }

    /// <summary>The peer's term, when it answered.</summary>
    public ulong PeerTerm { get; }
}
