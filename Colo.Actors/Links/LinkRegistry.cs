using System.Collections.Concurrent;
using Colo.Actors.Protocol;
using Colo.Vmm.Links;

namespace Colo.Actors.Links;

/// <summary>Who takes the data links that peers open: one acceptor a VM. Any thread.</summary>
public sealed class LinkRegistry
{
    private readonly ConcurrentDictionary<VmId, ILinkAcceptor> acceptors = new();

    public void Register(VmId vm, ILinkAcceptor acceptor) => acceptors[vm] = acceptor;

    public void Remove(VmId vm) => acceptors.TryRemove(vm, out _);

    public (LinkAnswer Answer, ulong Term) Decide(LinkOpen open) =>
        acceptors.TryGetValue(new VmId(open.Vm), out ILinkAcceptor? acceptor)
            ? acceptor.Decide(open)
            : (LinkAnswer.UnknownVm, 0);

    public void Take(DataLink link)
    {
        if (acceptors.TryGetValue(new VmId(link.Open.Vm), out ILinkAcceptor? acceptor))
        {
            acceptor.Take(link);
        }
        else
        {
            link.Dispose();
        }
    }
}
