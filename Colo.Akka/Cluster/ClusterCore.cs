using Akka.Actor;
using Akka.Event;

namespace Akka.Cluster;

/// <summary>
/// The member that this node is: joins, gossips, and leads when it is its turn.
/// <code>
/// outside --JoinTo--> asking --Welcome--> inside --removed, down or exited--> stopped
/// </code>
/// It decides by <see cref="MembershipState"/>, which is pure. It never restarts: a node that has lost its view must
/// not go on under the same uid, so a failure here ends the membership and the others find the node unreachable.
/// Sources: the cluster specification of Akka.
/// </summary>
internal sealed class ClusterCore : UntypedActor, IWithTimers
{
    private const int GossipsBeforeShutdown = 5;
    private const int TicksBeforeShutdownWhenDown = 5;

    // As long as the JVM keeps them: far beyond any gossip that could still be under way.
    private static readonly TimeSpan TombstoneLifetime = TimeSpan.FromHours(24);

    private readonly Cluster _cluster;
    private readonly ClusterSettings _settings;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly ClusterPublisher _publisher;
    private readonly GossipTargets _targets;
    private readonly HashSet<UniqueAddress> _exitingConfirmed = [];
    private readonly List<IActorRef> _waitingForExiting = [];
    private MembershipState _state;
    private Joining _joining;
    private TimeSpan? _disagreeingSince;
    private bool _inside;
    private bool _exitingTasksRunning;
    private int _ticksDown;

    public ClusterCore(Cluster cluster, IActorRef heartbeatSender)
    {
        _cluster = cluster;
        _settings = cluster.Settings;
        _publisher = new ClusterPublisher(cluster, heartbeatSender);
        _targets = new GossipTargets(cluster.SelfUniqueAddress, _settings.GossipDifferentViewProbability);
        _state = new MembershipState(Gossip.Empty, Self);
    }

    public ITimerScheduler Timers { get; set; }

    private new UniqueAddress Self => _cluster.SelfUniqueAddress;

    private TimeSpan Now => Context.System.Scheduler.MonotonicClock;

    protected override void PreStart()
    {
        _joining = new Joining(_cluster, Timers, () => Now, _log, base.Self, Found);
        var delay = _settings.PeriodicTasksInitialDelay;
        StartTimer(new ClusterCommand.GossipTick(), delay, _settings.GossipInterval);
        StartTimer(new ClusterCommand.LeaderTick(), delay, _settings.LeaderActionsInterval);
        StartTimer(new ClusterCommand.ReapTick(), delay, _settings.UnreachableNodesReaperInterval);
        if (!_settings.SeedNodes.IsEmpty)
        {
            base.Self.Tell(new ClusterCommand.JoinSeeds(_settings.SeedNodes));
        }
    }

    protected override void PostStop()
    {
        _publisher.ShutDown();
        ReleaseWaiting();
        _cluster.Stopped();
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case GossipEnvelope envelope when _inside:
                ReceiveGossip(envelope);
                break;
            case ClusterCommand.GossipTick:
                GossipTick();
                break;
            case ClusterCommand.LeaderTick:
                LeaderTick();
                break;
            case ClusterCommand.ReapTick:
                ReapTick();
                break;
            case InitJoin:
                AnswerInitJoin();
                break;
            case InitJoinAck ack:
                _joining.SeedAnswered(ack.Address);
                break;
            case InitJoinNack nack:
                _joining.SeedRefused(nack.Address);
                break;
            case JoinRequest join:
                ReceiveJoin(join);
                break;
            case Welcome welcome:
                ReceiveWelcome(welcome);
                break;
            case ExitingConfirmed confirmed when _inside:
                ReceiveExitingConfirmed(confirmed.Node);
                break;
            case ClusterCommand command:
                Obey(command);
                break;
            case Terminated gone:
                _publisher.Unsubscribe(gone.ActorRef, null);
                break;
            case GossipEnvelope or ExitingConfirmed:
                // Not a member yet, or not any more.
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Obey(ClusterCommand command)
    {
        switch (command)
        {
            case ClusterCommand.JoinSeeds seeds:
                _joining.JoinSeeds(seeds.Seeds);
                break;
            case ClusterCommand.SeedTick tick:
                _joining.SeedTick(tick.Search);
                break;
            case ClusterCommand.SeedDeadline deadline:
                _joining.SeedDeadline(deadline.Search);
                break;
            case ClusterCommand.JoinTo to:
                _joining.JoinTo(to.Address);
                break;
            case ClusterCommand.Leave leave:
                Leave(leave.Address);
                break;
            case ClusterCommand.Down down:
                Down(down.Address);
                break;
            case ClusterCommand.Subscribe subscribe:
                _publisher.Subscribe(subscribe, _state);
                if (subscribe.Subscriber is IActorRefScope { IsLocal: true })
                {
                    Context.Watch(subscribe.Subscriber);
                }

                break;
            case ClusterCommand.Unsubscribe unsubscribe:
                _publisher.Unsubscribe(unsubscribe.Subscriber, unsubscribe.To);
                break;
            case ClusterCommand.SendState send:
                send.Receiver.Tell(DomainEvents.Snapshot(_state), base.Self);
                break;
            case ClusterCommand.LeaveAndWaitForExiting:
                LeaveAndWait(Sender);
                break;
            case ClusterCommand.ExitingCompleted:
                ExitingCompleted();
                Sender.Tell(Done.Instance);
                break;
            case ClusterCommand.Stop:
                Context.Stop(base.Self);
                break;
            default:
                throw new System.Diagnostics.UnreachableException($"Unknown command {command}");
        }
    }

    /// <summary>The address is this node's own: it founds a cluster.</summary>
    private void Found()
    {
        Enter(Gossip.Empty);
        Admit(new JoinRequest(Self, _settings.Roles, _settings.AppVersion));
        LeaderTick();
    }

    private void AnswerInitJoin()
    {
        var leaving = _state.SelfStatus is MemberStatus.Removed or MemberStatus.Down or MemberStatus.Exiting;
        if (_inside && !leaving)
        {
            Sender.Tell(new InitJoinAck(Self.Address), base.Self);
        }
        else
        {
            Sender.Tell(new InitJoinNack(Self.Address), base.Self);
        }
    }

    private void ReceiveJoin(JoinRequest join)
    {
        var address = join.Node.Address;
        if (!_inside || address.Protocol != Self.Address.Protocol || address.System != Self.Address.System)
        {
            _log.Warning("Ignored the join of [{0}]: {1}", address, _inside ? "wrong protocol or system name" : "this node is in no cluster");
            return;
        }

        if (_state.SelfStatus is MemberStatus.Removed or MemberStatus.Down or MemberStatus.Exiting
            || _state.Gossip.Tombstones.ContainsKey(join.Node))
        {
            LogInfo($"Trying to join [{address}] to a node that is leaving, or again after it was removed; ignored");
            return;
        }

        switch (_state.Gossip.Find(address))
        {
            case { } known when known.UniqueAddress.Equals(join.Node):
                // The welcome was lost, or is on its way.
                Sender.Tell(new Welcome(Self, _state.Gossip), base.Self);
                break;
            case { } old:
                ReplaceIncarnation(old, join.Node);
                break;
            default:
                Admit(join);
                Sender.Tell(new Welcome(Self, _state.Gossip), base.Self);
                break;
        }
    }

    // A new incarnation proves that the old one is dead: it is given up at once, and the newcomer gets in when it asks
    // again.
    private void ReplaceIncarnation(Member old, UniqueAddress newcomer)
    {
        if (old.UniqueAddress.Equals(Self))
        {
            return;
        }

        LogInfo($"New incarnation of existing member [{old}] is trying to join ({newcomer.Uid}). The existing one is removed first");
        var gossip = _state.Gossip;
        if (old.Status != MemberStatus.Down)
        {
            gossip = gossip.Update([old.Copy(MemberStatus.Down)]);
        }

        Change(gossip with { Reachability = gossip.Reachability.Terminated(Self, old.UniqueAddress) });
    }

    private void Admit(JoinRequest join)
    {
        _cluster.FailureDetector.Remove(join.Node.Address);
        Change(_state.Gossip.Update([Member.Create(join.Node, join.Roles, join.AppVersion)]));
        LogInfo($"Node [{join.Node.Address}] is JOINING, roles [{string.Join(",", join.Roles)}], version [{join.AppVersion}]");
    }

    private void ReceiveWelcome(Welcome welcome)
    {
        if (_inside || !_joining.Expects(welcome.From.Address) || !welcome.Gossip.HasMember(Self))
        {
            return;
        }

        LogInfo($"Welcome from [{welcome.From.Address}]");
        Enter(welcome.Gossip.Seen(Self));
        SendGossip(welcome.From);
    }

    private void Enter(Gossip gossip)
    {
        _inside = true;
        _joining.Succeeded();
        Take(gossip);
    }

    private void Leave(Address address)
    {
        var member = _state.Gossip.Find(address);
        if (member?.Status is MemberStatus.Joining or MemberStatus.WeaklyUp or MemberStatus.Up)
        {
            Change(_state.Gossip.Update([member.Copy(MemberStatus.Leaving)]));
            LogInfo($"Marked address [{address}] as [Leaving]");
            SendGossipToSome(1);
        }
    }

    private void LeaveAndWait(IActorRef asker)
    {
        if (!_inside || _state.SelfStatus is MemberStatus.Exiting or MemberStatus.Down or MemberStatus.Removed)
        {
            asker.Tell(Done.Instance);
            return;
        }

        _waitingForExiting.Add(asker);
        Leave(Self.Address);
    }

    private void ReleaseWaiting()
    {
        _waitingForExiting.ForEach(asker => asker.Tell(Done.Instance));
        _waitingForExiting.Clear();
    }

    private void Down(Address address)
    {
        var member = _state.Gossip.Find(address);
        if (member is null || member.Status == MemberStatus.Down)
        {
            return;
        }

        LogInfo($"Marking {(_state.Reachability.IsReachable(member.UniqueAddress) ? "" : "unreachable ")}node [{address}] as [{MemberStatus.Down}]");
        var gossip = _state.Gossip.Update([member.Copy(MemberStatus.Down)]);
        Change(gossip with { SeenBy = gossip.SeenBy.Remove(member.UniqueAddress) });
        SendGossipToSome(GossipsBeforeShutdown);
    }

    private void ReceiveGossip(GossipEnvelope envelope)
    {
        var remote = envelope.Gossip;
        if (!envelope.To.Equals(Self) || !remote.HasMember(Self) || !_state.Gossip.HasMember(envelope.From)
            || !_state.Gossip.Reachability.IsReachable(Self, envelope.From))
        {
            if (_settings.VerboseGossipReceivedLogging)
            {
                _log.Debug("Ignoring received gossip from [{0}]", envelope.From);
            }

            return;
        }

        var before = _state.Gossip;
        var received = GossipReceived.Join(before, remote, Self);
        foreach (var member in received.Gossip.Members)
        {
            if (member.Status == MemberStatus.Joining && !before.Members.Contains(member))
            {
                _cluster.FailureDetector.Remove(member.Address);
            }
        }

        Take(_exitingTasksRunning ? received.Gossip : received.Gossip.Seen(Self));
        if (received.TalkBack)
        {
            SendGossip(envelope.From);
        }
    }

    private void ReceiveExitingConfirmed(UniqueAddress node)
    {
        if (_state.Gossip.StatusOf(node) is MemberStatus.Exiting or MemberStatus.Down)
        {
            _exitingConfirmed.Add(node);
        }
    }

    private void ExitingCompleted()
    {
        _exitingTasksRunning = false;
        if (!_inside)
        {
            return;
        }

        // Best effort: without these the others must first find this node unreachable before they can remove it.
        Take(_state.Gossip.Seen(Self));
        SendGossipToSome(GossipsBeforeShutdown);
        ConfirmExit();
        Context.Stop(base.Self);
    }

    // To everybody who might lead when it comes to the removal.
    private void ConfirmExit()
    {
        foreach (var member in _state.Gossip.Members.Where(member => !member.UniqueAddress.Equals(Self)))
        {
            CoreAt(member.Address).Tell(new ExitingConfirmed(Self), base.Self);
        }
    }

    private void GossipTick()
    {
        if (!_inside || _state.Gossip.IsSingletonCluster)
        {
            return;
        }

        SendGossipToSome(1);
        // While fewer than half have seen the latest view, it travels three times as fast.
        if (_state.Gossip.SeenBy.Count < _state.Gossip.Members.Count / 2)
        {
            SendGossipToSome(2);
        }
    }

    private void LeaderTick()
    {
        _joining.Retry();
        if (!_inside)
        {
            return;
        }

        if (_state.IsLeader)
        {
            Lead();
        }

        StopWhenDown();
    }

    private void Lead()
    {
        if (_state.IsConverged(_exitingConfirmed))
        {
            _disagreeingSince = null;
            Act(_state.ActOnConvergence(_exitingConfirmed, _settings.MinimumMembers, (long)Now.TotalMilliseconds));
            return;
        }

        _disagreeingSince ??= Now;
        if (_settings.AllowWeaklyUpMembers && Now - _disagreeingSince.Value >= _settings.WeaklyUpAfter)
        {
            Act(_state.MoveJoiningToWeaklyUp(_settings.MinimumMembers));
        }
    }

    private void Act(LeaderActions actions)
    {
        var pruned = actions.Gossip.PruneTombstones((long)(Now - TombstoneLifetime).TotalMilliseconds);
        if (actions.IsEmpty && ReferenceEquals(pruned, _state.Gossip))
        {
            return;
        }

        foreach (var member in actions.Removed)
        {
            _exitingConfirmed.Remove(member.UniqueAddress);
        }

        foreach (var member in actions.Changed)
        {
            LogInfo($"Leader is moving node [{member.Address}] to [{member.Status}]");
        }

        foreach (var member in actions.Removed)
        {
            LogInfo($"Leader is removing {(member.Status == MemberStatus.Exiting ? "exiting" : "unreachable")} node [{member.Address}]");
        }

        Change(pruned);
        SendGossipToSome(GossipsBeforeShutdown);
    }

    // A node that was given up stops, but first it sees to it that those given up with it learn of it.
    private void StopWhenDown()
    {
        if (_state.SelfStatus != MemberStatus.Down)
        {
            return;
        }

        var unreachable = _state.Reachability.AllUnreachableOrTerminated;
        var informed = _state.Gossip.Members
            .Where(member => member.Status == MemberStatus.Down)
            .All(member => unreachable.Contains(member.UniqueAddress) || _state.Gossip.IsSeenBy(member.UniqueAddress));
        if (!informed && ++_ticksDown < TicksBeforeShutdownWhenDown)
        {
            return;
        }

        LogInfo("Node has been marked as DOWN. Shutting down myself");
        SendGossipToSome(GossipsBeforeShutdown);
        ConfirmExit();
        _cluster.WasDowned = true;
        Context.Stop(base.Self);
    }

    private void ReapTick()
    {
        if (!_inside || _state.Gossip.IsSingletonCluster)
        {
            return;
        }

        var reachability = _state.Gossip.Reachability;
        foreach (var member in _state.Gossip.Members)
        {
            var node = member.UniqueAddress;
            if (node.Equals(Self))
            {
                continue;
            }

            var available = _cluster.FailureDetector.IsAvailable(node.Address);
            var before = reachability.StatusOf(Self, node);
            if (before == ReachabilityStatus.Reachable && !available)
            {
                reachability = reachability.Unreachable(Self, node);
                _log.Warning("Cluster Node [{0}] - Marking node(s) as UNREACHABLE [{1}]. Node roles [{2}]", Self.Address, member, string.Join(",", _settings.Roles));
            }
            else if (before == ReachabilityStatus.Unreachable && available && _cluster.FailureDetector.IsMonitoring(node.Address))
            {
                reachability = reachability.Reachable(Self, node);
                LogInfo($"Marking node(s) as REACHABLE [{member}]");
            }
        }

        if (!ReferenceEquals(reachability, _state.Gossip.Reachability))
        {
            Change(_state.Gossip with { Reachability = reachability });
            SendGossipToSome(GossipsBeforeShutdown);
        }
    }

    /// <summary>A change that this node makes: a new version, which nobody else has seen.</summary>
    private void Change(Gossip gossip) => Take(gossip.Increment(Self).OnlySeenBy(Self));

    private void Take(Gossip gossip)
    {
        _state = _state with { Gossip = gossip };
        _publisher.Publish(_state, _inside);
        if (_state.SelfStatus == MemberStatus.Exiting && !_exitingTasksRunning && _inside)
        {
            _exitingTasksRunning = true;
            ReleaseWaiting();
            LogInfo("Exiting, starting coordinated shutdown");
            _cluster.Exiting();
        }
    }

    private void SendGossipToSome(int count) => _targets.Pick(_state.Gossip, count).ForEach(SendGossip);

    private void SendGossip(UniqueAddress to) =>
        CoreAt(to.Address).Tell(new GossipEnvelope(Self, to, _state.Gossip), base.Self);

    private IActorRef CoreAt(Address address) => _cluster.RefAt(address, "core");

    private void StartTimer(object tick, TimeSpan delay, TimeSpan interval) =>
        Timers.StartPeriodicTimer(tick.GetType(), tick, delay, interval);

    private void LogInfo(string text)
    {
        if (_settings.LogInfo)
        {
            _log.Info("Cluster Node [{0}] - {1}", Self.Address, text);
        }
    }
}
