using Akka.Dispatch.SysMsg;
using Akka.Event;

namespace Akka.Actor.Internal;

/// <summary>Whom an actor watches and who watches it. Made with the first watch, as most actors have none.</summary>
internal sealed class DeathWatch(ActorCell cell)
{
    // The value is the message to deliver instead of Terminated, or null.
    private readonly Dictionary<IActorRef, object> _watching = [];
    private readonly HashSet<IActorRef> _watchedBy = [];
    private Dictionary<IActorRef, object> _terminatedQueued;
    private bool _hearsOfAddresses;

    public IEnumerable<IActorRef> Watching => _watching.Keys;

    public void Watch(IInternalActorRef subject, object message)
    {
        if (subject.Equals(cell.Self))
        {
            return;
        }

        if (_watching.TryGetValue(subject, out var previous))
        {
            if (!Equals(previous, message))
            {
                throw new InvalidOperationException(
                    $"Watch({subject}, {message ?? "null"}) would overwrite the termination message "
                    + $"{previous ?? "null"} of an earlier Watch. Unwatch first.");
            }

            return;
        }

        subject.SendSystemMessage(new Watch(subject, cell.SelfRef));
        _watching.Add(subject, message);
        HearOfAddresses(subject);
    }

    public void Unwatch(IInternalActorRef subject)
    {
        if (subject.Equals(cell.Self))
        {
            return;
        }

        if (_watching.Remove(subject))
        {
            subject.SendSystemMessage(new Unwatch(subject, cell.SelfRef));
        }

        _terminatedQueued?.Remove(subject);
    }

    /// <summary>The subject is dead. Queues the message about it when this actor watches it.</summary>
    public void Died(IActorRef subject, bool existenceConfirmed, bool addressTerminated)
    {
        var watched = _watching.ContainsKey(subject) ? subject : WithoutUid(subject);
        if (watched is null || !_watching.Remove(watched, out var message))
        {
            return;
        }

        (watched as Remote.RemoteActorRef)?.WatchEnded(cell.SelfRef);
        if (cell.IsTerminating)
        {
            return;
        }

        (_terminatedQueued ??= [])[subject] = message;
        cell.SelfRef.Tell(new Terminated(subject, existenceConfirmed, addressTerminated), subject);
    }

    /// <summary>
    /// What to deliver for a Terminated that has come up in the mailbox; null when it was unwatched meanwhile.
    /// </summary>
    public object Deliver(Terminated terminated) =>
        _terminatedQueued is not null && _terminatedQueued.Remove(terminated.ActorRef, out var message)
            ? message ?? terminated
            : null;

    public void AddWatcher(IInternalActorRef watchee, IInternalActorRef watcher)
    {
        if (watchee.Equals(cell.Self) && !watcher.Equals(cell.Self))
        {
            _watchedBy.Add(watcher);
            HearOfAddresses(watcher);
        }
        else if (!watchee.Equals(cell.Self) && watcher.Equals(cell.Self))
        {
            Watch(watchee, null);
        }
    }

    public void RemoveWatcher(IInternalActorRef watchee, IInternalActorRef watcher)
    {
        if (watchee.Equals(cell.Self))
        {
            _watchedBy.Remove(watcher);
        }
        else if (watcher.Equals(cell.Self))
        {
            Unwatch(watchee);
        }
    }

    /// <summary>A node was given up: everybody on it counts as dead.</summary>
    public void AddressTerminated(Address address)
    {
        _watchedBy.RemoveWhere(watcher => watcher.Path.Address.Equals(address));
        foreach (var subject in _watching.Keys.Where(s => s.Path.Address.Equals(address)).ToArray())
        {
            var isChild = cell.TryGetChildStatsByRef(subject, out _);
            cell.SelfRef.SendSystemMessage(new DeathWatchNotification(subject, isChild, addressTerminated: true));
        }
    }

    /// <summary>Remote watchers first: their notice has the longer way.</summary>
    public void TellWatchersWeDied()
    {
        foreach (var watcher in _watchedBy.OrderBy(w => ((IActorRefScope)w).IsLocal))
        {
            // The parent hears of the death in any case.
            if (!watcher.Equals(cell.Parent))
            {
                ((IInternalActorRef)watcher).SendSystemMessage(new DeathWatchNotification(cell.Self, true, false));
            }
        }

        _watchedBy.Clear();
    }

    public void UnwatchAll()
    {
        foreach (var subject in _watching.Keys.ToArray())
        {
            Unwatch((IInternalActorRef)subject);
        }

        _terminatedQueued = null;
        if (_hearsOfAddresses)
        {
            AddressTerminatedTopic.Get(cell.System).Unsubscribe(cell.Self);
        }
    }

    /// <summary>A reference by path alone stands for whichever incarnation dies first.</summary>
    private IActorRef WithoutUid(IActorRef subject) => _watching.Keys.FirstOrDefault(
        watched => watched.Path.Uid == ActorCell.UndefinedUid && watched.Path.Equals(subject.Path));

    private void HearOfAddresses(IActorRef other)
    {
        if (!_hearsOfAddresses && other is IActorRefScope { IsLocal: false })
        {
            _hearsOfAddresses = true;
            AddressTerminatedTopic.Get(cell.System).Subscribe(cell.Self);
        }
    }
}
