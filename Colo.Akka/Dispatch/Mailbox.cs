using Akka.Actor;
using Akka.Dispatch.MessageQueues;
using Akka.Dispatch.SysMsg;
using Akka.Event;

namespace Akka.Dispatch;

/// <summary>
/// The messages of one actor and the permission to run it: whoever sets the scheduled bit owns the actor until it
/// clears it, so one message is handled at a time. System messages have their own list, which is emptied before every
/// user message and also while user messages are held back (suspended).
/// </summary>
public class Mailbox : IRunnable
{
    private const int ClosedBit = 1;
    private const int ScheduledBit = 2;
    private const int SuspendUnit = 4;

    private readonly UnboundedMessageQueue _plain;
    private readonly Lock _cleaning = new();
    private ActorCell _cell;
    private SystemQueue _system;
    private Stack<Envelope> _putBack;
    private int _status;
    private int _warnFrom;

    public Mailbox(IMessageQueue messageQueue)
    {
        MessageQueue = messageQueue;
        _plain = messageQueue.GetType() == typeof(UnboundedMessageQueue) ? (UnboundedMessageQueue)messageQueue : null;
    }

    public IMessageQueue MessageQueue { get; }

    public MessageDispatcher Dispatcher => _cell?.Dispatcher;

    internal bool IsClosed => (Volatile.Read(ref _status) & ClosedBit) != 0;

    internal bool IsSuspended => Volatile.Read(ref _status) >= SuspendUnit;

    internal bool HasSystemMessages => !_system.IsEmpty;

    internal bool HasMessages => _putBack is { Count: > 0 } || MessageQueue.HasMessages;

    internal int NumberOfMessages => MessageQueue.Count + (_putBack?.Count ?? 0);

    public virtual void SetActor(ActorCell actorCell) => _cell = actorCell;

    public void Execute() => Run();

    /// <summary>Handles messages until the mailbox is empty or the dispatcher's throughput is used up.</summary>
    public void Run()
    {
        var cell = _cell;
        var outer = ActorCell.Current;
        ActorCell.Current = cell;
        try
        {
            if (!IsClosed)
            {
                ProcessSystemMessages(cell);
                ProcessUserMessages(cell);
            }
        }
        catch (Exception e)
        {
            // Nothing of an actor gets here; a message queue of the user's can. It must not take the process down.
            cell.Publish(new Error(e, cell.Self.Path.ToString(), GetType(), "The message queue failed: " + e.Message));
        }
        finally
        {
            ActorCell.Current = outer;
            Interlocked.And(ref _status, ~ScheduledBit);
            cell.Dispatcher.RegisterForExecution(this, hasMessageHint: false, hasSystemMessageHint: false);
        }
    }

    /// <summary>After the actor has stopped: what is left becomes dead letters.</summary>
    public virtual void CleanUp()
    {
        var cell = _cell;
        if (cell is null)
        {
            return;
        }

        // A sender that found the mailbox open and enqueued after this comes here as well, see Dispatcher.Dispatch.
        lock (_cleaning)
        {
            var deadLetters = cell.SystemImpl.Mailboxes.DeadLetterMailbox;
            for (var node = _system.TakeAll(); node is not null; node = node.Next)
            {
                deadLetters.EnqueueSystem(cell.Self, node.Message);
            }

            while (_putBack is not null && _putBack.TryPop(out var envelope))
            {
                deadLetters.MessageQueue.Enqueue(cell.Self, envelope);
            }

            MessageQueue.CleanUp(cell.Self, deadLetters.MessageQueue);
        }
    }

    internal void EnqueueUser(IActorRef receiver, object message, IActorRef sender)
    {
        if (_plain is not null)
        {
            if (_plain.Enqueue(message, sender))
            {
                WarnOfGrowth();
            }
        }
        else
        {
            MessageQueue.Enqueue(receiver, new Envelope(message, sender));
        }
    }

    internal virtual void EnqueueSystem(IActorRef receiver, ISystemMessage message) => _system.Enqueue(message);

    /// <summary>Puts a message back in front of all others. Only from the actor itself.</summary>
    internal void PutBack(in Envelope envelope)
    {
        if (MessageQueue is IDequeBasedMessageQueueSemantics deque)
        {
            deque.EnqueueFirst(envelope);
        }
        else
        {
            (_putBack ??= new Stack<Envelope>()).Push(envelope);
        }
    }

    internal void Suspend() => Change(static status => status + SuspendUnit);

    internal void Resume() => Change(static status => status < SuspendUnit ? status : status - SuspendUnit);

    internal void Close() => Interlocked.Or(ref _status, ClosedBit);

    /// <summary>True when the caller has become the one who must hand this mailbox to an executor.</summary>
    internal bool TrySchedule(bool hasMessageHint, bool hasSystemMessageHint)
    {
        var status = Volatile.Read(ref _status);
        while (true)
        {
            if ((status & (ClosedBit | ScheduledBit)) != 0)
            {
                return false;
            }

            var wanted = hasSystemMessageHint || HasSystemMessages
                || (status < SuspendUnit && (hasMessageHint || HasMessages));
            if (!wanted)
            {
                return false;
            }

            var seen = Interlocked.CompareExchange(ref _status, status | ScheduledBit, status);
            if (seen == status)
            {
                return true;
            }

            status = seen;
        }
    }

    internal void ProcessSystemMessages(ActorCell cell)
    {
        while (HasSystemMessages && !IsClosed)
        {
            var node = _system.TakeAll();
            for (; node is not null; node = node.Next)
            {
                if (IsClosed)
                {
                    // The actor stopped in the middle of the list.
                    cell.SystemImpl.Mailboxes.DeadLetterMailbox.EnqueueSystem(cell.Self, node.Message);
                    continue;
                }

                cell.SystemInvoke(node.Message);
            }
        }
    }

    private void ProcessUserMessages(ActorCell cell)
    {
        var dispatcher = cell.Dispatcher;
        var left = Math.Max(dispatcher.Throughput, 1);
        var deadline = dispatcher.ThroughputDeadlineTime is > 0 and var time && left > 1 ? Environment.TickCount64 + time : 0;
        while ((Volatile.Read(ref _status) & ~ScheduledBit) == 0)
        {
            if (!TryDequeue(out var envelope))
            {
                return;
            }

            cell.Invoke(envelope);
            if (HasSystemMessages)
            {
                ProcessSystemMessages(cell);
            }

            if (--left <= 0 || (deadline != 0 && Environment.TickCount64 >= deadline))
            {
                return;
            }
        }
    }

    private bool TryDequeue(out Envelope envelope)
    {
        if (_putBack is not null && _putBack.TryPop(out envelope))
        {
            return true;
        }

        return _plain is not null ? _plain.TryDequeue(out envelope) : MessageQueue.TryDequeue(out envelope);
    }

    // Akka.NET says nothing before the memory is gone; who has only the log would look elsewhere. Once for each
    // doubling.
    private void WarnOfGrowth()
    {
        var cell = _cell;
        var count = NumberOfMessages;
        if (count < _warnFrom)
        {
            return;
        }

        _warnFrom = 2 * count;
        var text = $"The mailbox holds {count} messages and has no bound";
        cell?.Publish(new Warning(cell.Self.Path.ToString(), GetType(), text));
    }

    private void Change(Func<int, int> change)
    {
        var status = Volatile.Read(ref _status);
        while (true)
        {
            var seen = Interlocked.CompareExchange(ref _status, change(status), status);
            if (seen == status)
            {
                return;
            }

            status = seen;
        }
    }
}
