namespace Akka.Actor.Internal;

/// <summary>The stash of one incarnation. At a restart and at the end its messages go back to the mailbox.</summary>
internal sealed class ActorStash : IStash
{
    private readonly ActorCell _cell;
    private readonly Queue<Envelope> _messages = new();
    private int _lastStashedId = -1;

    public ActorStash(ActorCell cell)
    {
        _cell = cell;
        var deploy = cell.Props.Deploy;
        Capacity = deploy.StashCapacity >= 0
            ? deploy.StashCapacity
            : cell.SystemImpl.Mailboxes.StashCapacity(deploy.Dispatcher, deploy.Mailbox);
    }

    public int Capacity { get; }

    public int Count => _messages.Count;

    public bool IsEmpty => _messages.Count == 0;

    public bool NonEmpty => _messages.Count > 0;

    public bool IsFull => Capacity >= 0 && _messages.Count >= Capacity;

    public void Stash()
    {
        if (_cell.CurrentEnvelopeId == _lastStashedId)
        {
            throw new IllegalActorStateException(
                $"Can't stash the same message {_cell.CurrentMessage} more than once");
        }

        if (IsFull)
        {
            throw new StashOverflowException(
                $"Couldn't enqueue message {_cell.CurrentMessage} from {_cell.Sender} to stash of {_cell.Self}: "
                + $"it holds {Count} of {Capacity}");
        }

        _lastStashedId = _cell.CurrentEnvelopeId;
        _messages.Enqueue(new Envelope(_cell.CurrentMessage, _cell.Sender));
    }

    public void Unstash()
    {
        if (_messages.TryDequeue(out var envelope))
        {
            _cell.Mailbox.PutBack(envelope);
        }
    }

    public void UnstashAll() => UnstashAll(static _ => true);

    public void UnstashAll(Func<Envelope, bool> predicate)
    {
        // The last one goes first, as each is put in front of the one before.
        foreach (var envelope in ClearStash().Reverse())
        {
            if (predicate(envelope))
            {
                _cell.Mailbox.PutBack(envelope);
            }
        }
    }

    public IEnumerable<Envelope> ClearStash()
    {
        var all = _messages.ToArray();
        _messages.Clear();
        return all;
    }

    public void Prepend(IEnumerable<Envelope> envelopes)
    {
        var rest = ClearStash();
        foreach (var envelope in envelopes.Concat(rest).Distinct())
        {
            _messages.Enqueue(envelope);
        }
    }
}
