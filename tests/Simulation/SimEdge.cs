using Colo.Actors.Protocol;

namespace Colo.Simulation;

/// <summary>
/// The clients' network: sends client frames to the host that announced the VM's MAC last, and passes on what hosts
/// release. It does not check terms: a LAN switch would not either.
/// </summary>
public sealed class SimEdge(SimWorld world)
{
    private Place? _owner;
    private Term _term = Term.Zero;

    public void Announce(Place host, Term term)
    {
        if (world.Network.IsBlocked(host, Place.Edge) || term < _term)
        {
            return; // said again with the next beat
        }

        _owner = host;
        _term = term;
    }

    public void FromClient(Frame frame)
    {
        if (_owner is { } owner)
        {
            world.Network.Datagram(Place.Edge, owner, () => world.Host(owner).OnClientFrame(frame));
        }
    }

    public void FromHost(Place host, Frame frame) =>
        world.Network.Datagram(host, Place.Edge, () => world.Client(frame.Connection).OnFrame(frame));
}
