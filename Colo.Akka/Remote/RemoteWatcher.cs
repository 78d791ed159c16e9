using Akka.Actor;
using Akka.Event;

namespace Akka.Remote;

/// <summary>
/// Watches the nodes on which somebody here watches an actor. Each such node gets heartbeats and must answer; when the
/// failure detector gives a node up, every actor on it counts as dead and the node is quarantined. A node that answers
/// with another uid has restarted: the watches are sent again, so that the new incarnation says that it does not know
/// the actors.
/// </summary>
internal sealed class RemoteWatcher : UntypedActor, IWithTimers
{
    private static readonly object BeatKey = new();
    private static readonly object ReapKey = new();

    private readonly RemoteActorRefProvider _provider;
    private readonly DefaultFailureDetectorRegistry<Address> _detectors;
    private readonly Dictionary<IInternalActorRef, HashSet<IInternalActorRef>> _watchers = [];
    private readonly Dictionary<Address, HashSet<IInternalActorRef>> _watchedAt = [];
    private readonly Dictionary<Address, int> _uids = [];
    private readonly HashSet<Address> _unreachable = [];
    private readonly ILoggingAdapter _log = Context.GetLogger();

    public RemoteWatcher(RemoteActorRefProvider provider)
    {
        _provider = provider;
        var system = Context.System;
        _detectors = new DefaultFailureDetectorRegistry<Address>(
            () => FailureDetectorLoader.Load(provider.RemoteSettings.WatchFailureDetectorConfig, system));
    }

    public ITimerScheduler Timers { get; set; }

    internal sealed record WatchRemote(IInternalActorRef Watchee, IInternalActorRef Watcher) : INoSerializationVerificationNeeded;

    internal sealed record UnwatchRemote(IInternalActorRef Watchee, IInternalActorRef Watcher) : INoSerializationVerificationNeeded;

    internal sealed record PeerRestarted(Address Address, int Uid) : INoSerializationVerificationNeeded;

    internal sealed record NodeGone(Address Address) : INoSerializationVerificationNeeded;

    /// <summary>Asks the watcher of another node whether it lives.</summary>
    internal sealed class Heartbeat : IDeadLetterSuppression
    {
        internal static readonly Heartbeat Instance = new();
    }

    internal sealed record HeartbeatRsp(int AddressUid) : IDeadLetterSuppression;

    private sealed record Beat
    {
        internal static readonly Beat Instance = new();
    }

    private sealed record Reap
    {
        internal static readonly Reap Instance = new();
    }

    private sealed record ExpectFirstHeartbeat(Address Address);

    protected override void PreStart()
    {
        var settings = _provider.RemoteSettings;
        Timers.StartPeriodicTimer(BeatKey, Beat.Instance, settings.WatchHeartBeatInterval);
        Timers.StartPeriodicTimer(ReapKey, Reap.Instance, settings.WatchUnreachableReaperInterval);
    }

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case Heartbeat:
                Sender.Tell(new HeartbeatRsp(_provider.Remoting.Uid));
                break;
            case HeartbeatRsp answer:
                Answered(Sender.Path.Address, answer.AddressUid);
                break;
            case Beat:
                SendHeartbeats();
                break;
            case Reap:
                ReapUnreachable();
                break;
            case ExpectFirstHeartbeat expected:
                if (_watchedAt.ContainsKey(expected.Address) && !_detectors.IsMonitoring(expected.Address))
                {
                    _detectors.Heartbeat(expected.Address);
                }

                break;
            case WatchRemote watch:
                Add(watch.Watchee, watch.Watcher);
                break;
            case UnwatchRemote unwatch:
                Remove(unwatch.Watchee, unwatch.Watcher);
                break;
            case PeerRestarted restarted:
                // Known from the handshake, perhaps before any heartbeat was answered.
                if (_watchedAt.ContainsKey(restarted.Address))
                {
                    _uids[restarted.Address] = restarted.Uid;
                }

                WatchAgain(restarted.Address);
                break;
            case NodeGone gone:
                Forget(gone.Address);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Answered(Address from, int uid)
    {
        if (!_watchedAt.ContainsKey(from) || _unreachable.Contains(from))
        {
            return;
        }

        _detectors.Heartbeat(from);
        NoteUid(from, uid);
    }

    private void NoteUid(Address address, int uid)
    {
        if (_uids.TryGetValue(address, out var before) && before != uid)
        {
            WatchAgain(address);
        }

        _uids[address] = uid;
    }

    private void WatchAgain(Address address)
    {
        if (!_watchedAt.TryGetValue(address, out var watchees))
        {
            return;
        }

        foreach (var watchee in watchees)
        {
            foreach (var watcher in _watchers[watchee])
            {
                _provider.SendWatch(watchee, watcher);
            }
        }
    }

    private void SendHeartbeats()
    {
        foreach (var address in _watchedAt.Keys.Where(address => !_unreachable.Contains(address) && !_provider.IsWatchedElsewhere(address)))
        {
            if (!_detectors.IsMonitoring(address) && !Timers.IsTimerActive(("first", address)))
            {
                Timers.StartSingleTimer(
                    ("first", address), new ExpectFirstHeartbeat(address), _provider.RemoteSettings.WatchHeartbeatExpectedResponseAfter);
            }

            _provider.WatcherAt(address).Tell(Heartbeat.Instance, Self);
        }
    }

    private void ReapUnreachable()
    {
        foreach (var address in _watchedAt.Keys.ToList())
        {
            if (!_unreachable.Contains(address) && !_provider.IsWatchedElsewhere(address) && !_detectors.IsAvailable(address))
            {
                _log.Warning("Detected unreachable: [{0}]", address);
                _provider.Quarantine(address, _uids.TryGetValue(address, out var uid) ? uid : null);
                AddressTerminatedTopic.Get(Context.System).Publish(new AddressTerminated(address));
                _unreachable.Add(address);
            }
        }
    }

    private void Add(IInternalActorRef watchee, IInternalActorRef watcher)
    {
        var address = watchee.Path.Address;
        if (_unreachable.Remove(address))
        {
            // A new watch on a node that was given up means that somebody believes in it again.
            _detectors.Remove(address);
        }

        Of(_watchedAt, address).Add(watchee);
        Of(_watchers, watchee).Add(watcher);
    }

    private void Remove(IInternalActorRef watchee, IInternalActorRef watcher)
    {
        if (!_watchers.TryGetValue(watchee, out var watchers) || !watchers.Remove(watcher) || watchers.Count > 0)
        {
            return;
        }

        _watchers.Remove(watchee);
        var address = watchee.Path.Address;
        if (_watchedAt.TryGetValue(address, out var watchees) && watchees.Remove(watchee) && watchees.Count == 0)
        {
            Forget(address);
        }
    }

    private void Forget(Address address)
    {
        if (_watchedAt.Remove(address, out var watchees))
        {
            foreach (var watchee in watchees)
            {
                _watchers.Remove(watchee);
            }
        }

        _detectors.Remove(address);
        _uids.Remove(address);
        _unreachable.Remove(address);
    }

    private static HashSet<IInternalActorRef> Of<TKey>(Dictionary<TKey, HashSet<IInternalActorRef>> map, TKey key)
    {
        if (!map.TryGetValue(key, out var set))
        {
            set = [];
            map.Add(key, set);
        }

        return set;
    }
}
