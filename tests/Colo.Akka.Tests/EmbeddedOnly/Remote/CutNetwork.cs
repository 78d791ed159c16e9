using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Remote.Transport;
using Akka.Remote.Transport.InMemory;

namespace Colo.Akka.Tests.EmbeddedOnly.Remote;

/// <summary>An in-memory network whose ways can be cut and mended.</summary>
internal sealed class CutNetwork : IDisposable
{
    private readonly OrderedTimer _timer = new();
    private readonly ConcurrentDictionary<(int From, int To), bool> _cut = new();

    internal CutNetwork() => Network = new InMemoryNetwork(_timer.After, Delay);

    internal InMemoryNetwork Network { get; }

    internal Setup Setup(string host, int port = 0) => new RemoteTransportSetup(_ => Network.CreateTransport(host, port));

    /// <summary>Nothing passes between the two groups, in either direction, until <see cref="Mend"/>.</summary>
    internal void Cut(IEnumerable<Address> left, IEnumerable<Address> right)
    {
        foreach (var a in left)
        {
            foreach (var b in right)
            {
                _cut[(a.Port!.Value, b.Port!.Value)] = true;
                _cut[(b.Port!.Value, a.Port!.Value)] = true;
            }
        }
    }

    internal void Mend() => _cut.Clear();

    public void Dispose() => _timer.Dispose();

    private TimeSpan? Delay(Address from, Address to) =>
        _cut.ContainsKey((from.Port!.Value, to.Port!.Value)) ? null : TimeSpan.FromMilliseconds(0.1);
}
