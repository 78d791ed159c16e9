using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;

namespace Akka.Cluster;

/// <summary>
/// How a node gets into a cluster: asks seeds, then one member, and tries again until it is welcomed. Belongs to
/// <see cref="ClusterCore"/> and runs in it.
/// <code>
/// nothing --seeds--> searching --a seed answers--> asking --Welcome--> over
///                        \--first seed, nobody there--> founds a cluster
/// </code>
/// </summary>
internal sealed class Joining(
    Cluster cluster, ITimerScheduler timers, Func<TimeSpan> now, ILoggingAdapter log, IActorRef core, Action found)
{
    private const string TickKey = "seed-tick";
    private const string DeadlineKey = "seed-deadline";

    private readonly ClusterSettings _settings = cluster.Settings;
    private ImmutableList<Address> _seeds = [];
    private SeedSearch _search;
    private int _searches;
    private Address _asked;
    private TimeSpan? _askAgainAt;
    private TimeSpan? _giveUpAt;
    private bool _isOver;

    private UniqueAddress Self => cluster.SelfUniqueAddress;

    internal bool Expects(Address welcomer) => Equals(_asked, welcomer);

    internal void Succeeded()
    {
        _isOver = true;
        _asked = null;
        _search = null;
        timers.Cancel(TickKey);
        timers.Cancel(DeadlineKey);
    }

    internal void JoinSeeds(ImmutableList<Address> seeds)
    {
        if (_isOver || _asked is not null || seeds.IsEmpty)
        {
            return;
        }

        _seeds = seeds;
        _search = new SeedSearch(++_searches, seeds, Self.Address);
        if (_search.Others.IsEmpty)
        {
            JoinSelf();
            return;
        }

        if (_settings.ShutdownAfterUnsuccessfulJoinSeedNodes is { } patience)
        {
            _giveUpAt ??= now() + patience;
        }

        if (_search.IsFirstSeed)
        {
            timers.StartSingleTimer(DeadlineKey, new ClusterCommand.SeedDeadline(_search.Number), _settings.SeedNodeTimeout);
        }

        AskSeeds();
    }

    /// <summary>Time to ask again, if that search still goes on.</summary>
    internal void SeedTick(int search)
    {
        if (search == _search?.Number)
        {
            AskSeeds();
        }
    }

    /// <summary>The others have had their time to say that there is a cluster.</summary>
    internal void SeedDeadline(int search)
    {
        if (search == _search?.Number && !_isOver && _asked is null && _search.IsFirstSeed)
        {
            JoinSelf();
        }
    }

    internal void SeedAnswered(Address seed)
    {
        if (_search is not null && !_isOver && _asked is null)
        {
            _search = null;
            JoinTo(seed);
        }
    }

    internal void SeedRefused(Address seed)
    {
        if (_search?.Refused(seed) == true && !_isOver)
        {
            JoinSelf();
        }
    }

    internal void JoinTo(Address address)
    {
        if (_isOver)
        {
            return;
        }

        if (address.Protocol != Self.Address.Protocol || address.System != Self.Address.System)
        {
            log.Warning(
                "Trying to join member with wrong protocol or ActorSystem name, but was ignored: this node is [{0}], the other [{1}]",
                Self.Address, address);
            return;
        }

        if (address.Equals(Self.Address))
        {
            found();
            return;
        }

        _asked = address;
        cluster.RefAt(address, "core").Tell(new JoinRequest(Self, _settings.Roles, _settings.AppVersion), core);
        _askAgainAt = _settings.RetryUnsuccessfulJoinAfter is { } patience ? now() + patience : null;
    }

    /// <summary>Begins anew when nobody has welcomed this node for too long.</summary>
    internal void Retry()
    {
        if (_asked is null || _askAgainAt is not { } at || now() < at)
        {
            return;
        }

        var address = _asked;
        _asked = null;
        _askAgainAt = null;
        if (_seeds.IsEmpty)
        {
            JoinTo(address);
        }
        else
        {
            JoinSeeds(_seeds);
        }
    }

    private void JoinSelf()
    {
        _search = null;
        JoinTo(Self.Address);
    }

    private void AskSeeds()
    {
        if (_giveUpAt is { } deadline && now() >= deadline)
        {
            log.Error(
                "Joining of seed nodes [{0}] was unsuccessful after {1}", string.Join(", ", _seeds),
                _settings.ShutdownAfterUnsuccessfulJoinSeedNodes);
            _search = null;
            cluster.JoinFailed();
            return;
        }

        foreach (var seed in _search.Others)
        {
            cluster.RefAt(seed, "core").Tell(new InitJoin(), core);
        }

        // Asked again each second: a seed may just be starting. The first second is cut short by its own call to here.
        var again = TimeSpan.FromTicks(Math.Min(TimeSpan.FromSeconds(1).Ticks, _settings.SeedNodeTimeout.Ticks));
        timers.StartSingleTimer(TickKey, new ClusterCommand.SeedTick(_search.Number), again);
    }
}
