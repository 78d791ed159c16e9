using System.Collections.Immutable;
using Akka.Actor;
using Akka.Coordination;
using Akka.Event;

namespace Akka.Cluster.SBR;

/// <summary>
/// Waits until membership and reachability have not changed for <c>stable-after</c>, then lets the strategy decide. On
/// each side of a partition only the leader of that side acts. When nothing becomes stable for too long, all go down:
/// half a view is worse than none.
/// </summary>
internal sealed class SplitBrainResolver : UntypedActor, IWithTimers
{
    private readonly Cluster _cluster;
    private readonly SplitBrainResolverSettings _settings;
    private readonly DowningStrategy _strategy;
    private readonly Lease _lease;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private ImmutableSortedSet<Member> _members = [];
    private ImmutableHashSet<UniqueAddress> _unreachable = [];
    private Reachability _reachability = Reachability.Empty;
    private ImmutableHashSet<UniqueAddress> _seenBy = [];
    private ImmutableHashSet<UniqueAddress> _decided = [];
    private Address _leader;
    private TimeSpan _changedAt;
    private TimeSpan? _unstableSince;
    private bool _askingLease;
    private bool _holdsLease;

    public SplitBrainResolver(Cluster cluster, SplitBrainResolverSettings settings, DowningStrategy strategy, Lease lease)
    {
        _cluster = cluster;
        _settings = settings;
        _strategy = strategy;
        _lease = lease;
    }

    public ITimerScheduler Timers { get; set; }

    private TimeSpan Now => Context.System.Scheduler.MonotonicClock;

    private bool IsResponsible => _cluster.SelfAddress.Equals(_leader) && _members.Any(IsSelf);

    private ClusterView View => new(_members, _unreachable, _reachability, _seenBy);

    private sealed record Tick;

    private sealed record AskLease(Decision Decision) : INoSerializationVerificationNeeded;

    private sealed record LeaseAnswer(Decision Decision, bool Granted) : INoSerializationVerificationNeeded;

    private sealed record ReleaseLease;

    protected override void PreStart()
    {
        _cluster.Subscribe(
            Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IClusterDomainEvent));
        _changedAt = Now;
        // A tenth of the wait, so that a decision is not late by more than that.
        var tick = TimeSpan.FromTicks(Math.Clamp(
            _settings.DowningStableAfter.Ticks / 10, TimeSpan.FromMilliseconds(10).Ticks, TimeSpan.FromSeconds(1).Ticks));
        Timers.StartPeriodicTimer("tick", new Tick(), tick, tick);
    }

    protected override void PostStop() => _cluster.Unsubscribe(Self);

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case ClusterEvent.MemberRemoved removed:
                Change(removed.Member, present: false);
                break;
            case ClusterEvent.IMemberEvent changed:
                Change(changed.Member, present: true);
                break;
            case ClusterEvent.UnreachableMember lost:
                _unreachable = _unreachable.Add(lost.Member.UniqueAddress);
                Restart();
                break;
            case ClusterEvent.ReachableMember back:
                _unreachable = _unreachable.Remove(back.Member.UniqueAddress);
                Restart();
                break;
            case ClusterEvent.ReachabilityChanged changed:
                _reachability = changed.Reachability;
                break;
            case ClusterEvent.SeenChanged seen:
                _seenBy = seen.SeenBy;
                break;
            case ClusterEvent.LeaderChanged changed:
                _leader = changed.Leader;
                break;
            case Tick:
                Judge();
                break;
            case AskLease ask:
                Ask(ask.Decision);
                break;
            case LeaseAnswer answer:
                Answered(answer);
                break;
            case ReleaseLease:
                Release();
                break;
            case ClusterEvent.IClusterDomainEvent:
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private bool IsUndecided(UniqueAddress unreachable) => !_decided.Contains(unreachable);

    private bool IsSelf(Member member) => member.UniqueAddress.Equals(_cluster.SelfUniqueAddress);

    private void Change(Member member, bool present)
    {
        _members = _members.Remove(member);
        if (present)
        {
            _members = _members.Add(member);
        }
        else
        {
            _unreachable = _unreachable.Remove(member.UniqueAddress);
            _decided = _decided.Remove(member.UniqueAddress);
        }

        Restart();
    }

    private void Restart()
    {
        _changedAt = Now;
        if (!_unreachable.Any(IsUndecided))
        {
            // Healed, or decided here: that those who went down leave one after the other is no instability. What
            // others decided does not count: who has slept through it is not to trust what it sees when it wakes.
            _unstableSince = null;
            Timers.Cancel("lease");
        }
        else
        {
            _unstableSince ??= Now;
        }
    }

    private void Judge()
    {
        if (_unreachable.IsEmpty)
        {
            return;
        }

        var margin = _settings.DownAllWhenUnstable;
        var isUnstable = margin > TimeSpan.Zero && _unstableSince is { } since && Now - since > _settings.DowningStableAfter + margin;
        if (!IsResponsible)
        {
            return;
        }

        if (Now - _changedAt >= _settings.DowningStableAfter)
        {
            Act(_strategy.Decide(View));
        }
        else if (isUnstable)
        {
            _log.Warning("SBR found that reachability has been unstable for [{0}]; all members go down", Now - _unstableSince);
            Carry(Decision.DownAll);
        }
    }

    private void Act(Decision decision)
    {
        if (decision is not (Decision.AcquireLeaseAndDownUnreachable or Decision.AcquireLeaseAndDownIndirectlyConnected))
        {
            Carry(decision);
            return;
        }

        if (_askingLease || Timers.IsTimerActive("lease"))
        {
            return;
        }

        var delay = _strategy.LeaseDelay(View);
        if (delay == TimeSpan.Zero)
        {
            Ask(decision);
        }
        else
        {
            Timers.StartSingleTimer("lease", new AskLease(decision), delay);
        }
    }

    private void Ask(Decision decision)
    {
        if (_unreachable.IsEmpty || _askingLease)
        {
            return;
        }

        _askingLease = true;
        // No answer is no: the side that cannot reach the service must not go on.
        _lease.Acquire().PipeTo(
            Self,
            success: granted => new LeaseAnswer(decision, granted),
            failure: error =>
            {
                _log.Error(error, "SBR could not acquire the lease [{0}]", _lease.Settings.LeaseName);
                return new LeaseAnswer(decision, false);
            });
    }

    private void Answered(LeaseAnswer answer)
    {
        _askingLease = false;
        _holdsLease = answer.Granted;
        if (_unreachable.IsEmpty)
        {
            ReleaseLater();
            return;
        }

        if (answer.Granted)
        {
            Carry(answer.Decision);
            ReleaseLater();
            return;
        }

        DownAll(View.NodesToDownWithoutLease(answer.Decision), answer.Decision);
    }

    private void ReleaseLater()
    {
        if (_holdsLease)
        {
            Timers.StartSingleTimer("release", new ReleaseLease(), _settings.LeaseReleaseAfter);
        }
    }

    private void Release()
    {
        if (_holdsLease && _unreachable.IsEmpty)
        {
            _holdsLease = false;
            _ = _lease.Release().ContinueWith(
                task => _log.Warning(task.Exception, "SBR could not release the lease"),
                CancellationToken.None,
                TaskContinuationOptions.OnlyOnFaulted,
                TaskScheduler.Default);
        }
        else
        {
            ReleaseLater();
        }
    }

    private void Carry(Decision decision) => DownAll(View.NodesToDown(decision, _strategy), decision);

    // Oneself last: a node that has marked itself down soon stops, and the others must have been marked before.
    private void DownAll(ImmutableHashSet<UniqueAddress> nodes, Decision decision)
    {
        var pending = _members.Where(member => nodes.Contains(member.UniqueAddress) && member.Status != MemberStatus.Down).ToList();
        if (pending.Count == 0)
        {
            return;
        }

        _log.Warning(
            "SBR took decision {0} and is downing [{1}], unreachable [{2}] of [{3}] members, seen by [{4}], observations [{5}]",
            decision,
            string.Join(", ", pending.Select(member => member.Address)),
            string.Join(", ", _unreachable.Select(node => node.Address)),
            _members.Count,
            string.Join(", ", _seenBy.Select(node => node.Address)),
            _reachability);
        _decided = _decided.Union(nodes);
        foreach (var member in pending.OrderBy(IsSelf))
        {
            _cluster.Down(member.Address);
        }
    }
}
