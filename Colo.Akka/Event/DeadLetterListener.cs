using Akka.Actor;

namespace Akka.Event;

/// <summary>Logs dead letters, and goes quiet for a while when there are too many.</summary>
public class DeadLetterListener : ActorBase
{
    private int _count;
    private int _max;
    private bool _silent;

    protected override void PreStart()
    {
        _max = Context.System.Settings.LogDeadLetters;
        Context.System.EventStream.Subscribe(Self, typeof(DeadLetter));
        Context.System.EventStream.Subscribe(Self, typeof(Dropped));
        Context.System.EventStream.Subscribe(Self, typeof(UnhandledMessage));
    }

    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);

    protected override void PreRestart(Exception reason, object message)
    {
    }

    protected override void PostRestart(Exception reason)
    {
    }

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case Reopen:
                _silent = false;
                _count = 0;
                break;
            case UnhandledMessage unhandled when Context.System.Settings.DebugUnhandledMessage:
                Context.System.EventStream.Publish(new Debug(
                    unhandled.Recipient.Path.ToString(), unhandled.Recipient.GetType(),
                    $"Unhandled message from {unhandled.Sender} : {unhandled.Message}"));
                break;
            case AllDeadLetters dead when !_silent && !Context.System.EventStream.DeadLettersMuted:
                Log(dead);
                break;
            default:
                break;
        }

        return true;
    }

    private void Log(AllDeadLetters dead)
    {
        _count++;
        var suspend = Context.System.Settings.LogDeadLettersSuspendDuration;
        var last = _max != int.MaxValue && _count >= _max;
        var ending = last
            ? $" no more dead letters will be logged in next [{suspend}]."
            : "";
        var fate = dead switch
        {
            Dropped dropped => $"was dropped. {dropped.Reason}",
            UnhandledMessage => "was unhandled",
            _ => "was not delivered",
        };
        var from = dead.Sender is null or DeadLetterActorRef ? "" : $" from {dead.Sender}";
        Context.System.EventStream.Publish(new Info(
            dead.Recipient?.Path.ToString() ?? "", dead.Recipient?.GetType() ?? typeof(DeadLetterListener),
            $"Message [{dead.Message?.GetType().Name}]{from} to {dead.Recipient} {fate}. "
            + $"[{_count}] dead letters encountered{(last ? "," : ".")}{ending} This logging can be turned off or adjusted "
            + "with configuration settings 'akka.log-dead-letters' and 'akka.log-dead-letters-during-shutdown'. "
            + $"Message content: {dead.Message}"));
        if (!last)
        {
            return;
        }

        _silent = true;
        if (suspend > TimeSpan.Zero)
        {
            Context.System.Scheduler.ScheduleTellOnce(suspend, Self, Reopen.Instance, Self);
        }
    }

    private sealed class Reopen : INoSerializationVerificationNeeded, IDeadLetterSuppression
    {
        public static readonly Reopen Instance = new();
    }
}
