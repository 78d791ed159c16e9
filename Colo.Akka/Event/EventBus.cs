using Akka.Actor;

namespace Akka.Event;

/// <summary>Publishes events to the subscribers of their class and of the classes above it.</summary>
public abstract class EventBus<TEvent, TClassifier, TSubscriber>
{
    private readonly Lock _lock = new();
    private readonly Dictionary<TClassifier, List<TSubscriber>> _subscriptions = [];

    // Rebuilt with every change of the subscriptions, as publishing is far more frequent.
    private volatile System.Collections.Concurrent.ConcurrentDictionary<TClassifier, TSubscriber[]> _cache = new();

    public virtual bool Subscribe(TSubscriber subscriber, TClassifier classifier)
    {
        lock (_lock)
        {
            if (!_subscriptions.TryGetValue(classifier, out var subscribers))
            {
                _subscriptions[classifier] = subscribers = [];
            }

            if (subscribers.Contains(subscriber))
            {
                return false;
            }

            subscribers.Add(subscriber);
            _cache = new();
            return true;
        }
    }

    public virtual bool Unsubscribe(TSubscriber subscriber)
    {
        lock (_lock)
        {
            var removed = false;
            foreach (var subscribers in _subscriptions.Values)
            {
                removed |= subscribers.Remove(subscriber);
            }

            _cache = new();
            return removed;
        }
    }

    public virtual bool Unsubscribe(TSubscriber subscriber, TClassifier classifier)
    {
        lock (_lock)
        {
            var removed = _subscriptions.TryGetValue(classifier, out var subscribers) && subscribers.Remove(subscriber);
            _cache = new();
            return removed;
        }
    }

    public virtual void Publish(TEvent @event)
    {
        foreach (var subscriber in SubscribersOf(GetClassifier(@event)))
        {
            Publish(@event, subscriber);
        }
    }

    protected abstract bool IsSubClassification(TClassifier parent, TClassifier child);

    protected abstract void Publish(TEvent @event, TSubscriber subscriber);

    protected abstract bool Classify(TEvent @event, TClassifier classifier);

    protected abstract TClassifier GetClassifier(TEvent @event);

    private protected bool HasSubscriber(TSubscriber subscriber)
    {
        lock (_lock)
        {
            return _subscriptions.Values.Any(s => s.Contains(subscriber));
        }
    }

    private TSubscriber[] SubscribersOf(TClassifier classifier)
    {
        var cache = _cache;
        if (cache.TryGetValue(classifier, out var known))
        {
            return known;
        }

        lock (_lock)
        {
            var found = _subscriptions
                .Where(entry => IsSubClassification(entry.Key, classifier))
                .SelectMany(entry => entry.Value)
                .Distinct()
                .ToArray();
            _cache[classifier] = found;
            return found;
        }
    }
}

public abstract class ActorEventBus<TEvent, TClassifier> : EventBus<TEvent, TClassifier, IActorRef>;
