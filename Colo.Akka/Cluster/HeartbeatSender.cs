using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;

namespace Akka.Cluster;

/// <summary>
/// Sends heartbeats to the members that this node watches and feeds the failure detector with their answers. An answer
/// of another incarnation at the same address does not count.
/// </summary>
internal sealed class HeartbeatSender : UntypedActor, IWithTimers
{
    private static readonly object TickKey = new();

    private readonly Cluster _cluster;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Dictionary<UniqueAddress, IActorRef> _receivers = [];
    private HeartbeatRing _ring;

    // Members that left the ring while unreachable: watched until they answer, so that they can be seen to come back.
    private ImmutableHashSet<UniqueAddress> _oldUnreachable = [];
    private long _number;

    public HeartbeatSender(Cluster cluster)
    {
        _cluster = cluster;
        _ring = new HeartbeatRing(cluster.SelfUniqueAddress, [cluster.SelfUniqueAddress], [], cluster.Settings.MonitoredByNrOfMembers);
    }

    public ITimerScheduler Timers { get; set; }

    internal sealed record Membership(ImmutableHashSet<UniqueAddress> Members, ImmutableHashSet<UniqueAddress> Unreachable)
        : INoSerializationVerificationNeeded;

    private sealed record Tick;

    private sealed record ExpectFirstHeartbeat(UniqueAddress From);

    protected override void PreStart() =>
        Timers.StartPeriodicTimer(TickKey, new Tick(), _cluster.Settings.HeartbeatInterval, _cluster.Settings.HeartbeatInterval);

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case HeartbeatRsp answer:
                Answered(answer.From);
                break;
            case Tick:
                Beat();
                break;
            case Membership membership:
                Update(membership);
                break;
            case ExpectFirstHeartbeat expected:
                // Never heard of: start the detector, so that silence from the beginning is noticed as well.
                if (IsActive(expected.From) && !_cluster.FailureDetector.IsMonitoring(expected.From.Address))
                {
                    _cluster.FailureDetector.Heartbeat(expected.From.Address);
                }

                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private bool IsActive(UniqueAddress node) => _ring.MyReceivers.Contains(node) || _oldUnreachable.Contains(node);

    private void Answered(UniqueAddress from)
    {
        if (!IsActive(from))
        {
            return;
        }

        if (_cluster.Settings.VerboseHeartbeatLogging)
        {
            _log.Debug("Cluster Node [{0}] - Heartbeat response from [{1}]", _cluster.SelfAddress, from.Address);
        }

        _cluster.FailureDetector.Heartbeat(from.Address);
        if (_oldUnreachable.Contains(from) && _cluster.FailureDetector.IsAvailable(from.Address))
        {
            _oldUnreachable = _oldUnreachable.Remove(from);
            if (!_ring.MyReceivers.Contains(from))
            {
                _cluster.FailureDetector.Remove(from.Address);
            }
        }
    }

    private void Beat()
    {
        var beat = new Heartbeat(_cluster.SelfUniqueAddress, ++_number);
        foreach (var node in _ring.MyReceivers.Union(_oldUnreachable).Order())
        {
            if (!_cluster.FailureDetector.IsMonitoring(node.Address) && !Timers.IsTimerActive(node))
            {
                Timers.StartSingleTimer(node, new ExpectFirstHeartbeat(node), _cluster.Settings.HeartbeatExpectedResponseAfter);
            }

            ReceiverAt(node).Tell(beat, Self);
        }
    }

    private void Update(Membership membership)
    {
        var before = _ring.MyReceivers;
        var gone = _ring.Nodes.Except(membership.Members);
        _ring = _ring with { Nodes = membership.Members.Add(_cluster.SelfUniqueAddress), Unreachable = membership.Unreachable };
        foreach (var node in gone)
        {
            _receivers.Remove(node);
            _oldUnreachable = _oldUnreachable.Remove(node);
            if (!_ring.Nodes.Any(other => other.Address.Equals(node.Address)))
            {
                _cluster.FailureDetector.Remove(node.Address);
            }
        }

        foreach (var node in before.Except(_ring.MyReceivers).Except(gone))
        {
            if (_cluster.FailureDetector.IsAvailable(node.Address))
            {
                _cluster.FailureDetector.Remove(node.Address);
            }
            else
            {
                _oldUnreachable = _oldUnreachable.Add(node);
            }
        }
    }

    private IActorRef ReceiverAt(UniqueAddress node)
    {
        if (!_receivers.TryGetValue(node, out var receiver))
        {
            receiver = _cluster.RefAt(node.Address, "heartbeatReceiver");
            _receivers.Add(node, receiver);
        }

        return receiver;
    }
}

/// <summary>Answers heartbeats, apart from everything else that could keep a node busy.</summary>
internal sealed class HeartbeatReceiver(Cluster cluster) : UntypedActor
{
    protected override void OnReceive(object message)
    {
        if (message is Heartbeat beat)
        {
            Sender.Tell(new HeartbeatRsp(cluster.SelfUniqueAddress, beat.Number), Self);
        }
        else
        {
            Unhandled(message);
        }
    }
}
