using Colo.Actors.Protocol;

namespace Colo.Simulation;

/// <summary>The data links of a pair (image, disk, mirror, compare): one set, which breaks as a whole.</summary>
public sealed class SimConnection
{
    private readonly SimNetwork _network;
    private readonly SimNetwork.Lane[,] _lanes = new SimNetwork.Lane[2, 5];
    private readonly List<Action>?[] _early = [[], []];
    private readonly SimVm?[] _ends = new SimVm?[2];

    public SimConnection(SimNetwork network, SimScheduler scheduler, Place first, Place second)
    {
        _network = network;
        First = first;
        Second = second;
        for (int channel = 0; channel < 5; channel++)
        {
            _lanes[0, channel] = new SimNetwork.Lane(network, scheduler, first, second);
            _lanes[1, channel] = new SimNetwork.Lane(network, scheduler, second, first);
        }
    }

    public Place First { get; }

    public Place Second { get; }

    public bool Broken { get; private set; }

    public bool Joins(Place one, Place other) => (First, Second) == (one, other) || (First, Second) == (other, one);

    public void Attach(SimVm end)
    {
        int index = end.Place == First ? 0 : 1;
        _ends[index] = end;
        List<Action>? early = _early[index];
        _early[index] = null;
        early?.ForEach(action => action());
    }

    /// <summary>Delivers at the other end, when it has attached, unless the set has broken.</summary>
    public void Send(Place from, ReplicationChannel channel, Action<SimVm> deliver, long transferMicros = 0)
    {
        int target = from == First ? 1 : 0;
        transferMicros += channel == ReplicationChannel.Disk ? _network.DiskDelayOf(target == 0 ? First : Second) : 0;
        _lanes[1 - target, (int)channel - 1].Send(() =>
        {
            if (_early[target] is { } early)
            {
                early.Add(() => Deliver(target, deliver));
            }
            else
            {
                Deliver(target, deliver);
            }
        }, transferMicros);
    }

    /// <summary>Nothing under way arrives any more. Returns the end at the other side.</summary>
    public SimVm? Break(Place by)
    {
        Broken = true;
        foreach (SimNetwork.Lane lane in _lanes)
        {
            lane.Break();
        }

        return _ends[by == First ? 1 : 0];
    }

    public IEnumerable<SimVm> Ends => _ends.OfType<SimVm>();

    private void Deliver(int target, Action<SimVm> deliver)
    {
        if (!Broken && _ends[target] is { } end)
        {
            end.Post(() =>
            {
                if (!Broken)
                {
                    deliver(end);
                }
            });
        }
    }
}
