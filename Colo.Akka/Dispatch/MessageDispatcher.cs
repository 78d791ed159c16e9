using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch.SysMsg;
using Akka.Event;

namespace Akka.Dispatch;

/// <summary>Decides on which thread, and for how many messages at a time, an actor runs.</summary>
public abstract class MessageDispatcher
{
    public const int DefaultThroughput = 100;

    private long _inhabitants;

    protected MessageDispatcher(MessageDispatcherConfigurator configurator)
    {
        Configurator = configurator;
        Throughput = DefaultThroughput;
    }

    public MessageDispatcherConfigurator Configurator { get; }

    public EventStream EventStream => Configurator.Prerequisites.EventStream;

    public Mailboxes Mailboxes => Configurator.Prerequisites.Mailboxes;

    public string Id { get; protected set; }

    /// <summary>Messages that one actor may handle before the thread turns to the next.</summary>
    public int Throughput { get; protected set; }

    /// <summary>Milliseconds that one actor may use in one go; null or 0 for no limit.</summary>
    public long? ThroughputDeadlineTime { get; protected set; }

    public TimeSpan ShutdownTimeout { get; protected set; }

    protected long Inhabitants => Interlocked.Read(ref _inhabitants);

    public virtual void Attach(ActorCell cell)
    {
        Interlocked.Increment(ref _inhabitants);
        RegisterForExecution(cell.Mailbox, hasMessageHint: false, hasSystemMessageHint: true);
    }

    /// <summary>The actor has stopped: its mailbox is closed and what was in it becomes dead letters.</summary>
    public virtual void Detach(ActorCell cell)
    {
        var mailbox = cell.SwapMailbox(cell.SystemImpl.Mailboxes.DeadLetterMailbox);
        mailbox.Close();
        mailbox.CleanUp();
        if (Interlocked.Decrement(ref _inhabitants) == 0)
        {
            Abandoned();
        }
    }

    public virtual void Dispatch(ActorCell cell, Envelope envelope)
    {
        var mailbox = cell.Mailbox;
        mailbox.EnqueueUser(cell.Self, envelope.Message, envelope.Sender);
        if (mailbox.TrySchedule(hasMessageHint: true, hasSystemMessageHint: false))
        {
            ExecuteTask(mailbox);
        }
        else if (mailbox.IsClosed)
        {
            // The actor stopped between the two steps and has already emptied its mailbox.
            mailbox.CleanUp();
        }
    }

    public virtual void SystemDispatch(ActorCell cell, SystemMessage message)
    {
        var mailbox = cell.Mailbox;
        mailbox.EnqueueSystem(cell.Self, message);
        RegisterForExecution(mailbox, hasMessageHint: false, hasSystemMessageHint: true);
        if (mailbox.IsClosed)
        {
            mailbox.CleanUp();
        }
    }

    public void Schedule(Action run) => ExecuteTask(new ActionRunnable(run));

    public void Schedule(IRunnable run) => ExecuteTask(run);

    internal virtual void RegisterForExecution(Mailbox mailbox, bool hasMessageHint, bool hasSystemMessageHint)
    {
        if (mailbox.TrySchedule(hasMessageHint, hasSystemMessageHint))
        {
            ExecuteTask(mailbox);
        }
    }

    internal void ShutdownNow() => Shutdown();

    protected abstract void ExecuteTask(IRunnable run);

    /// <summary>The system has ended.</summary>
    protected abstract void Shutdown();

    /// <summary>The last actor has left.</summary>
    private protected virtual void Abandoned()
    {
    }

    protected void ReportFailure(Exception ex) =>
        EventStream.Publish(new Error(ex, GetType().ToString(), GetType(), ex.Message));
}

/// <summary>What a dispatcher needs from its system.</summary>
public interface IDispatcherPrerequisites
{
    EventStream EventStream { get; }

    IScheduler Scheduler { get; }

    Settings Settings { get; }

    Mailboxes Mailboxes { get; }
}

public sealed class DefaultDispatcherPrerequisites : IDispatcherPrerequisites
{
    public DefaultDispatcherPrerequisites(
        EventStream eventStream, IScheduler scheduler, Settings settings, Mailboxes mailboxes)
    {
        EventStream = eventStream;
        Scheduler = scheduler;
        Settings = settings;
        Mailboxes = mailboxes;
    }

    public EventStream EventStream { get; }

    public IScheduler Scheduler { get; }

    public Settings Settings { get; }

    public Mailboxes Mailboxes { get; }
}

/// <summary>Makes a dispatcher from its section of the configuration.</summary>
public abstract class MessageDispatcherConfigurator
{
    protected MessageDispatcherConfigurator(Config config, IDispatcherPrerequisites prerequisites)
    {
        Config = config;
        Prerequisites = prerequisites;
    }

    public Config Config { get; }

    public IDispatcherPrerequisites Prerequisites { get; }

    public abstract MessageDispatcher Dispatcher();
}
