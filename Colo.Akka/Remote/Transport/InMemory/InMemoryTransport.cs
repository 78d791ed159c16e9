using Akka.Actor;

namespace Akka.Remote.Transport.InMemory;

/// <summary>One system's place on an <see cref="InMemoryNetwork"/>.</summary>
internal sealed class InMemoryTransport(InMemoryNetwork network, string host, int port) : ITransport
{
    // Beyond any frame that a test sends; the limit itself is tested on the real transport.
    internal const int MaximumFrameSize = 64 * 1024 * 1024;

    private readonly Lock _gate = new();
    private readonly List<InMemoryLink> _links = [];
    private ILinkAcceptor _acceptor;
    private bool _down;

    public string Protocol => "akka.tcp";

    internal Address Address { get; private set; }

    public Address Listen(string systemName, ILinkAcceptor acceptor)
    {
        _acceptor = acceptor;
        Address = new Address(Protocol, systemName, host, network.Bind(this, host, port));
        return Address;
    }

    public void Connect(Address remote, ILinkHandler handler)
    {
        if (network.Delay(Address, remote) is not { } time)
        {
            // The way is cut: the attempt goes on as a SYN would, and the association's own patience ends it.
            network.After(InMemoryNetwork.RetryInterval, () =>
            {
                if (!_down)
                {
                    Connect(remote, handler);
                }
            });
            return;
        }

        network.After(time, () => Arrive(remote, handler));
    }

    public Task ShutdownAsync(TimeSpan patience)
    {
        network.Unbind(this);
        foreach (var link in TakeLinks())
        {
            link.Close();
        }

        return Task.CompletedTask;
    }

    internal void BreakAll(bool silently)
    {
        foreach (var link in TakeLinks())
        {
            link.Break(silently);
        }
    }

    internal void Forget(InMemoryLink link)
    {
        lock (_gate)
        {
            _links.Remove(link);
        }
    }

    private void Arrive(Address remote, ILinkHandler handler)
    {
        var target = network.Find(remote);
        if (_down || target is null || target._down)
        {
            handler.Closed(new LinkClosed("connection refused", IsProtocolError: false));
            return;
        }

        var accepted = target._acceptor.Accept();
        var (ours, theirs) = InMemoryLink.CreatePair(network, this, handler, target, accepted);
        Add(ours);
        target.Add(theirs);
        accepted.Opened(theirs);
        handler.Opened(ours);
    }

    private void Add(InMemoryLink link)
    {
        lock (_gate)
        {
            _links.Add(link);
        }
    }

    private List<InMemoryLink> TakeLinks()
    {
        lock (_gate)
        {
            _down = true;
            var links = _links.ToList();
            _links.Clear();
            return links;
        }
    }
}
