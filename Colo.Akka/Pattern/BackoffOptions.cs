using Akka.Actor;

namespace Akka.Pattern;

/// <summary>How a child that ends or fails is started again, later and later each time.</summary>
public static class Backoff
{
    /// <summary>The child is started again after it failed.</summary>
    public static BackoffOptions OnFailure(
        Props childProps, string childName, TimeSpan minBackoff, TimeSpan maxBackoff, double randomFactor,
        int maxNrOfRetries) =>
        new BackoffOptionsImpl(RestartImpliesFailure: true, childProps, childName, minBackoff, maxBackoff, randomFactor)
            .WithMaxNrOfRetries(maxNrOfRetries);

    /// <summary>The child is started again after it stopped, for whatever reason.</summary>
    public static BackoffOptions OnStop(
        Props childProps, string childName, TimeSpan minBackoff, TimeSpan maxBackoff, double randomFactor,
        int maxNrOfRetries) =>
        new BackoffOptionsImpl(RestartImpliesFailure: false, childProps, childName, minBackoff, maxBackoff, randomFactor)
            .WithMaxNrOfRetries(maxNrOfRetries);
}

/// <summary>Immutable; each method returns a changed copy.</summary>
public abstract record BackoffOptions
{
    private protected BackoffOptions()
    {
    }

    internal abstract Props Props { get; }

    /// <summary>Forgets the failures when the child has run this long without one.</summary>
    public abstract BackoffOptions WithAutoReset(TimeSpan resetBackoff);

    /// <summary>Forgets the failures when the child sends BackoffSupervisor.Reset to its parent.</summary>
    public abstract BackoffOptions WithManualReset();

    public abstract BackoffOptions WithSupervisorStrategy(OneForOneStrategy supervisorStrategy);

    public abstract BackoffOptions WithDefaultStoppingStrategy();

    /// <summary>The answer to messages that come while the child is down; without it they are dead letters.</summary>
    public abstract BackoffOptions WithReplyWhileStopped(object replyWhileStopped);

    /// <summary>-1: no limit. After the last one the supervisor stops.</summary>
    public abstract BackoffOptions WithMaxNrOfRetries(int maxNrOfRetries);

    /// <summary>A message after which the end of the child is the end of the supervisor. Only OnStop.</summary>
    public abstract BackoffOptions WithFinalStopMessage(Func<object, bool> isFinalStopMessage);
}

internal sealed record BackoffOptionsImpl(
    bool RestartImpliesFailure, Props ChildProps, string ChildName, TimeSpan MinBackoff, TimeSpan MaxBackoff,
    double RandomFactor) : BackoffOptions
{
    public TimeSpan? AutoReset { get; init; }

    public bool ManualReset { get; init; }

    public OneForOneStrategy Strategy { get; init; } = new(SupervisorStrategy.DefaultDecider);

    public object ReplyWhileStopped { get; init; }

    public Func<object, bool> IsFinalStopMessage { get; init; }

    internal override Props Props
    {
        get
        {
            if (MinBackoff <= TimeSpan.Zero)
            {
                throw new ArgumentException($"MinBackoff must be greater than 0, it is {MinBackoff}");
            }

            if (MaxBackoff < MinBackoff)
            {
                throw new ArgumentException($"MaxBackoff must be greater than MinBackoff, it is {MaxBackoff}");
            }

            if (RandomFactor is < 0 or > 1)
            {
                throw new ArgumentException($"RandomFactor must be between 0.0 and 1.0, it is {RandomFactor}");
            }

            return Props.Create<BackoffSupervisor>(this);
        }
    }

    public override BackoffOptions WithAutoReset(TimeSpan resetBackoff) => this with { AutoReset = resetBackoff };

    public override BackoffOptions WithManualReset() => this with { ManualReset = true, AutoReset = null };

    public override BackoffOptions WithSupervisorStrategy(OneForOneStrategy supervisorStrategy) =>
        this with { Strategy = supervisorStrategy };

    public override BackoffOptions WithDefaultStoppingStrategy() =>
        this with { Strategy = SupervisorStrategy.StoppingStrategy };

    public override BackoffOptions WithReplyWhileStopped(object replyWhileStopped) =>
        this with { ReplyWhileStopped = replyWhileStopped };

    public override BackoffOptions WithMaxNrOfRetries(int maxNrOfRetries) =>
        this with { Strategy = Strategy.WithMaxNrOfRetries(maxNrOfRetries) };

    public override BackoffOptions WithFinalStopMessage(Func<object, bool> isFinalStopMessage) =>
        this with { IsFinalStopMessage = isFinalStopMessage };
}
