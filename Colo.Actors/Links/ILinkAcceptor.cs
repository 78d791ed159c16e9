using Colo.Vmm.Links;

namespace Colo.Actors.Links;

/// <summary>Takes the data links that a peer opens for one VM. Any thread.</summary>
public interface ILinkAcceptor
{
    /// <summary>Whether such a link is expected now, and this host's term of the VM.</summary>
    (LinkAnswer Answer, ulong Term) Decide(LinkOpen open);

    /// <summary>Takes over an accepted link.</summary>
    void Take(DataLink link);
}
