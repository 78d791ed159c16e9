using Akka.Actor;

namespace Akka.Remote.Transport.InMemory;

/// <summary>
/// A network without sockets, threads or clocks of its own. Everything happens in actions that it gives to
/// <paramref name="after"/>, so the owner of that function decides when, on which thread and in which order; with a
/// seeded one, a run can be repeated exactly.
/// </summary>
/// <param name="after">Runs an action after a time.</param>
/// <param name="breaks">Whether the connection that carries the next bytes breaks with them; null for never.</param>
/// <param name="delay">How long bytes take from one address to another now; null while the way is cut, and then they
/// wait, as TCP's do.</param>
internal sealed class InMemoryNetwork(Action<TimeSpan, Action> after, Func<Address, Address, TimeSpan?> delay, Func<Address, Address, bool> breaks = null)
{
    /// <summary>How soon bytes that wait at a cut are tried again.</summary>
    internal static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(20);

    private readonly Lock _gate = new();
    private readonly Dictionary<(string Host, int Port), InMemoryTransport> _listeners = [];
    private int _lastPort = 50_000;

    /// <summary>A transport for one system; port 0 takes the next free one.</summary>
    internal ITransport CreateTransport(string host, int port = 0) => new InMemoryTransport(this, host, port);

    /// <summary>
    /// Takes a node off the network. <paramref name="silently"/>: its peers hear nothing, as when a host loses power;
    /// else their links close.
    /// </summary>
    internal void Remove(Address node, bool silently)
    {
        InMemoryTransport transport;
        lock (_gate)
        {
            if (!_listeners.Remove((node.Host, node.Port ?? 0), out transport))
            {
                return;
            }
        }

        transport.BreakAll(silently);
    }

    internal void After(TimeSpan time, Action action) => after(time, action);

    internal TimeSpan? Delay(Address from, Address to) => delay(from, to);

    internal bool Breaks(Address from, Address to) => breaks?.Invoke(from, to) == true;

    internal int Bind(InMemoryTransport transport, string host, int port)
    {
        lock (_gate)
        {
            var bound = port == 0 ? ++_lastPort : port;
            if (!_listeners.TryAdd((host, bound), transport))
            {
                throw new RemoteTransportException($"Cannot listen on {host}:{bound}: the address is taken");
            }

            return bound;
        }
    }

    internal void Unbind(InMemoryTransport transport)
    {
        lock (_gate)
        {
            foreach (var key in _listeners.Where(item => item.Value == transport).Select(item => item.Key).ToList())
            {
                _listeners.Remove(key);
            }
        }
    }

    internal InMemoryTransport Find(Address address)
    {
        lock (_gate)
        {
            return _listeners.GetValueOrDefault((address.Host, address.Port ?? 0));
        }
    }
}
