using System.Threading.Channels;
using Colo.Actors.Protocol;

namespace Colo.Host.Node;

/// <summary>An event as operators see it.</summary>
public sealed record LoggedEvent(
    long Id, DateTimeOffset Time, string Host, string Vm, int Code, string Name, long Term, long Epoch, string Summary)
{
    /// <summary>Info, Warning or Error.</summary>
    public string Severity { get; init; } = "Info";

    /// <summary>Seconds of the host's monotonic clock.</summary>
    public double Monotonic { get; init; }

    /// <summary>Code of the event of this VM that led to this one; null where none is known.</summary>
    public int? Cause { get; init; }

    /// <summary>Milliseconds since that event.</summary>
    public double? AfterCauseMs { get; init; }
}

/// <summary>The last events of a node, and a stream of new ones for each listener. Any thread.</summary>
public sealed class EventLog(string host, TimeProvider time)
{
    private const int KeptMax = 5000;
    private readonly Lock gate = new();
    private readonly Queue<LoggedEvent> kept = new();
    private readonly List<Channel<LoggedEvent>> listeners = [];
    private readonly EventCauses causes = new();
    private long lastId;

    public void Add(string vm, HostEvent happened)
    {
        lock (gate)
        {
            long now = time.GetTimestamp();
            (EventCode Code, long At)? cause = causes.Of(vm, happened);
            var logged = new LoggedEvent(
                ++lastId, time.GetUtcNow(), host, vm, (int)happened.Code, happened.Code.ToString(), happened.Term.Value,
                happened.Epoch.Value, happened.Summary)
            {
                Severity = happened.Severity.ToString(),
                Monotonic = time.GetElapsedTime(0, now).TotalSeconds,
                Cause = (int?)cause?.Code,
                AfterCauseMs = cause is { } known ? time.GetElapsedTime(known.At, now).TotalMilliseconds : null,
            };
            causes.Note(vm, happened, now);
            kept.Enqueue(logged);
            if (kept.Count > KeptMax)
            {
                kept.Dequeue();
            }

            foreach (Channel<LoggedEvent> listener in listeners)
            {
                listener.Writer.TryWrite(logged);
            }
        }
    }

    /// <summary>Number of the newest event; 0 before the first.</summary>
    public long LastId
    {
        get
        {
            lock (gate)
            {
                return lastId;
            }
        }
    }

    /// <summary>Events after a number, oldest first.</summary>
    public IReadOnlyList<LoggedEvent> After(long id)
    {
        lock (gate)
        {
            return Known(id);
        }
    }

    /// <summary>New events, after those with a number above <paramref name="id"/> that are still known.</summary>
    public async IAsyncEnumerable<LoggedEvent> Follow(
        long id, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        // What a listener that does not read loses here is fetched again by its number, as far as it is kept.
        Channel<LoggedEvent> channel = Channel.CreateBounded<LoggedEvent>(
            new BoundedChannelOptions(1000) { FullMode = BoundedChannelFullMode.DropOldest });
        IReadOnlyList<LoggedEvent> old;
        long last;
        lock (gate)
        {
            old = Known(id);
            last = lastId;
            listeners.Add(channel);
        }

        try
        {
            foreach (LoggedEvent logged in old)
            {
                yield return logged;
            }

            await foreach (LoggedEvent logged in channel.Reader.ReadAllAsync(cancellation).ConfigureAwait(false))
            {
                foreach (LoggedEvent missed in logged.Id > last + 1 ? Between(last, logged.Id) : [])
                {
                    yield return missed;
                }

                yield return logged;
                last = logged.Id;
            }
        }
        finally
        {
            lock (gate)
            {
                listeners.Remove(channel);
            }
        }
    }

    /// <summary>The newest events of one VM, or of the node with all of them when that is null; newest first.</summary>
    public IReadOnlyList<LoggedEvent> Newest(string? vm, int count)
    {
        lock (gate)
        {
            return [.. kept.Reverse().Where(logged => vm is null || logged.Vm == vm).Take(count)];
        }
    }

    private IReadOnlyList<LoggedEvent> Between(long after, long before)
    {
        lock (gate)
        {
            return [.. kept.Where(logged => logged.Id > after && logged.Id < before)];
        }
    }

    /// <summary>
    /// A number from the future is of a former life of this node: its listener gets everything of this one.
    /// </summary>
    private List<LoggedEvent> Known(long id) => [.. kept.Where(logged => id > lastId || logged.Id > id)];
}
