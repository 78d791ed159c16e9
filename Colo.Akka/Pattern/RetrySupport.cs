using Akka.Actor;
using Akka.Util;

namespace Akka.Pattern;

/// <summary>Tries something again when it fails, with a pause between the tries.</summary>
public static class RetrySupport
{
    public static Task<T> Retry<T>(Func<Task<T>> attempt, int attempts) =>
        Retry(attempt, attempts, static _ => Option<TimeSpan>.None, null);

    public static Task<T> Retry<T>(
        Func<Task<T>> attempt, int attempts, TimeSpan minBackoff, TimeSpan maxBackoff, int randomFactor,
        IScheduler scheduler)
    {
        if (randomFactor is < 0 or > 1)
        {
            throw new ArgumentException($"RandomFactor is {randomFactor}, expected 0 to 1", nameof(randomFactor));
        }

        return Retry(
            attempt, attempts,
            attempted => TimeSpan.FromTicks((long)(Math.Min(maxBackoff.Ticks, minBackoff.Ticks * Math.Pow(2, attempted))
                * (1.0 + (Actor.Internal.RuntimeHooks.Chance() * randomFactor)))),
            scheduler);
    }

    public static Task<T> Retry<T>(Func<Task<T>> attempt, int attempts, TimeSpan delay, IScheduler scheduler) =>
        Retry(attempt, attempts, _ => delay, scheduler);

    /// <summary>The first try and up to <paramref name="attempts"/> more.</summary>
    public static async Task<T> Retry<T>(
        Func<Task<T>> attempt, int attempts, Func<int, Option<TimeSpan>> delayFunction, IScheduler scheduler)
    {
        ArgumentNullException.ThrowIfNull(attempt);
        for (var attempted = 0; ; attempted++)
        {
            try
            {
                return await attempt().ConfigureAwait(false);
            }
            catch (Exception) when (attempted < attempts)
            {
                // The next try follows.
            }

            if (delayFunction(attempted + 1) is { HasValue: true } delay && delay.Value > TimeSpan.Zero)
            {
                var pause = new TaskCompletionSource(
                    Actor.Internal.RuntimeHooks.Ambient is null
                        ? TaskCreationOptions.RunContinuationsAsynchronously : TaskCreationOptions.None);
                scheduler.Advanced.ScheduleOnce(delay.Value, () => pause.TrySetResult());
                await pause.Task.ConfigureAwait(false);
            }
        }
    }
}
