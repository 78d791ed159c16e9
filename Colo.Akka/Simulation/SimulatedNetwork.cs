using Akka.Actor;
using Akka.Remote.Transport.InMemory;

namespace Akka.Simulation;

/// <summary>The wires between the nodes of a world: how long they take, and which are cut.</summary>
public sealed class SimulatedNetwork
{
    private readonly SimulationWorld _world;
    private readonly SimulationRandom _random;
    private readonly Dictionary<(string From, string To), NetworkPolicy> _policies = [];
    private readonly HashSet<(string From, string To)> _cuts = [];
    private readonly HashSet<string> _off = [];

    internal SimulatedNetwork(SimulationWorld world, SimulationRandom random, NetworkPolicy policy)
    {
        _world = world;
        _random = random;
        Policy = policy;
        Medium = new InMemoryNetwork((delay, action) => world.After(delay, null, action), Delay, Breaks);
    }

    /// <summary>For all pairs without one of their own. May be changed while the world runs.</summary>
    public NetworkPolicy Policy { get; set; }

    internal InMemoryNetwork Medium { get; }

    /// <summary>From one node to another, in this direction.</summary>
    public void SetPolicy(SimulatedNode from, SimulatedNode to, NetworkPolicy policy) =>
        _policies[(from.Name, to.Name)] = policy;

    /// <summary>Nothing goes between the two groups, in both directions; what is sent waits, as with a pulled
    /// cable.</summary>
    public void Partition(IEnumerable<SimulatedNode> one, IEnumerable<SimulatedNode> other)
    {
        var others = other.ToList();
        foreach (var a in one)
        {
            foreach (var b in others)
            {
                Cut(a, b);
                Cut(b, a);
            }
        }
    }

    /// <summary>Cuts one direction only.</summary>
    public void Cut(SimulatedNode from, SimulatedNode to)
    {
        _cuts.Add((from.Name, to.Name));
        _world.Note(null, $"cut {from.Name} -> {to.Name}");
    }

    /// <summary>Mends all cuts.</summary>
    public void Heal()
    {
        _cuts.Clear();
        _world.Note(null, "all cuts mended");
    }

    /// <summary>A host without power answers nobody, not even with a refusal.</summary>
    internal void SetPower(string node, bool isOn)
    {
        if (isOn)
        {
            _off.Remove(node);
        }
        else
        {
            _off.Add(node);
        }
    }

    private TimeSpan? Delay(Address from, Address to)
    {
        if (_cuts.Contains((from.Host, to.Host)) || _off.Contains(to.Host) || _off.Contains(from.Host))
        {
            return null;
        }

        var policy = PolicyOf(from, to);
        var time = _random.Between(policy.DelayMin, policy.DelayMax);
        var wait = policy.RetransmitAfter;
        while (_random.Chance(policy.LossProbability) && wait < TimeSpan.FromMinutes(1))
        {
            time += wait;
            wait *= 2;
        }

        return time;
    }

    private bool Breaks(Address from, Address to) => _random.Chance(PolicyOf(from, to).ResetProbability);

    private NetworkPolicy PolicyOf(Address from, Address to) =>
        _policies.GetValueOrDefault((from.Host, to.Host), Policy);
}
